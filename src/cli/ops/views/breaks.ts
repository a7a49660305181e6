import { BREAK_STATES } from '../../../reconciliation/statement/break-state.ts';
import type { OurFigures, StatementBreak, TheirFigures } from '../../../reconciliation/statement/break.ts';
import { markup, link, type Markup } from '../html.ts';
import { badge, choices, decisionFields, facts, form, moment, nextPage, type PageContent, table, words } from '../page.ts';
import { oneOf, RefusedRequest, requiredNumber, rowNumber } from '../read-form.ts';
import type { Action, Ask, View } from '../routes.ts';

const PAGE = 50;

/** Differences between institutions' statements and our rows, by number. */
export const listBreaks: View = async ({ fields, backend }) => {
  const state = oneOf(fields, 'state', BREAK_STATES);
  const found = await backend.breaks.list({ state }, { after: rowNumber(fields, 'after') ?? 0, limit: PAGE + 1 });
  const breaks = found.slice(0, PAGE);
  const next = found.length > PAGE ? link('/breaks', { state, after: breaks.at(-1)!.id }) : undefined;
  const main = [
    choices('State of the breaks', '/breaks', 'state', BREAK_STATES, state),
    table(
      `Breaks, ${words(state)}`,
      ['Break', 'Statement', 'Kind', 'Reference', 'Theirs', 'Ours', 'Found'],
      breaks.map((one) => [
        markup`<a href="${link('/breaks/break', { id: one.id })}">${one.id}</a>`,
        `${one.statement} ${one.day}`,
        `${words(one.kind)}${isLate(one) ? ', late' : ''}`,
        one.reference,
        figures(one.theirs),
        figures(one.ours),
        moment(one.foundAt),
      ]),
      'There is none.',
    ),
    nextPage(next),
  ];
  return { title: 'Breaks', at: '/breaks', main };
};

export const showBreak: View = (ask) => show(ask, requiredNumber(ask.fields, 'id'));

async function show({ backend, viewer }: Ask, id: number): Promise<PageContent> {
  const [found] = await backend.breaks.list({}, { after: id - 1, limit: 1 });
  if (found?.id !== id) throw new RefusedRequest(404, `There is no break ${id}.`);
  const history = await backend.breaks.history(id);
  const decide = (name: 'resolve' | 'accept', title: string, meaning: string): Markup =>
    markup`<details>
      <summary>${title}</summary>
      ${form(`/breaks/${name}`, viewer, [
        markup`<input type="hidden" name="id" value="${id}" />
          <p>${meaning}</p>`,
        decisionFields(name, viewer),
        markup`<p><button>${title}</button></p>`,
      ])}
    </details>`;
  const { standing } = found;
  const main = [
    facts([
      ['State', badge(standing.state)],
      ['Statement', `${found.statement} of ${found.day}`],
      ['Call', found.callName],
      ['Reference', markup`<a href="${link('/find', { q: found.reference })}">${found.reference}</a>`],
      ['Kind', `${words(found.kind)}${isLate(found) ? ', late: the next statement may have it' : ''}`],
      ['Theirs', found.theirs && `${figures(found.theirs)}, line ${found.theirs.line}`],
      ['Ours', found.ours && figures(found.ours)],
      ['Found', moment(found.foundAt)],
    ]),
    markup`<h2>History</h2>`,
    table(
      'What happened to it',
      ['When', 'What', 'Who', 'Why'],
      history.map(({ at, action, by, why }) => [moment(at), words(action), by, why]),
      'Nothing is on record.',
    ),
    standing.state === 'OPEN' &&
      markup`<h2>Decide</h2>
        ${decide('resolve', 'Resolve', 'The difference is gone.')}${decide('accept', 'Accept', 'The difference stays and is all right.')}`,
  ];
  return { title: `Break ${id}`, at: '/breaks', main };
}

const isLate = ({ standing }: StatementBreak): boolean => standing.state === 'OPEN' && standing.isLate;

const figures = (of: TheirFigures | OurFigures | undefined): string =>
  of === undefined ? '–' : `${of.amountMinor} ${of.currency} ${of.status ?? 'no call'}`;

export const actOnBreak =
  (to: 'RESOLVED' | 'ACCEPTED'): Action =>
  async (act) => {
    const id = requiredNumber(act.fields, 'id');
    const notice = await act.backend.actions.decideBreak(id, to, act.decision());
    return { ...(await show(act, id)), notice };
  };
