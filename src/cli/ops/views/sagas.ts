import type { SagaInstance, SagaStepRecord } from '../../../saga/saga-instance.ts';
import { SAGA_STATUSES } from '../../../saga/saga-status.ts';
import { markup, lines, link, type Markup } from '../html.ts';
import { badge, choices, decisionFields, facts, form, moment, nextPage, type PageContent, table, words } from '../page.ts';
import { oneOf, RefusedRequest, required } from '../read-form.ts';
import type { Action, Ask, View } from '../routes.ts';
import { cursorOf } from '../time-cursor.ts';

const PAGE = 50;
const STATUSES = [...SAGA_STATUSES.filter((status) => status === 'PARKED'), ...SAGA_STATUSES.filter((status) => status !== 'PARKED')];

/** Sagas of one status. */
export const listSagas: View = async ({ fields, backend }) => {
  const status = oneOf(fields, 'status', STATUSES);
  const found = await backend.lists.sagas(status, { after: cursorOf(fields), limit: PAGE + 1 });
  const sagas = found.slice(0, PAGE);
  const last = sagas.at(-1);
  const next = found.length > PAGE && last ? link('/sagas', { status, at: last.updatedAt.getTime(), id: last.id }) : undefined;
  const main = [
    choices('Status of the sagas', '/sagas', 'status', STATUSES, status),
    table(
      `Sagas, ${words(status)}`,
      ['Saga', 'Definition', 'At', 'Changed', 'Error', 'Order'],
      sagas.map((one) => [
        markup`<a href="${link('/sagas/saga', { id: one.id })}">${one.id}</a>`,
        `${one.saga} v${one.version}`,
        one.stepName === undefined ? '–' : `${one.direction} of ${one.stepName}`,
        moment(one.updatedAt),
        one.error?.slice(0, 200) ?? '–',
        markup`<a href="${link('/story', { id: one.correlationId })}">${one.correlationId}</a>`,
      ]),
      'There is none.',
    ),
    nextPage(next),
  ];
  return { title: 'Sagas', at: '/sagas', main };
};

export const showSaga: View = (ask) => show(ask, required(ask.fields, 'id'));

async function show({ backend, viewer, fields }: Ask, id: string): Promise<PageContent> {
  const found = await backend.sagas.find(id);
  if (found === undefined) throw new RefusedRequest(404, 'There is no such saga.');
  const withData = fields.get('data') === '1';
  const decide = (name: 'retry' | 'abandon', title: string, meaning: string): Markup =>
    markup`<details>
      <summary>${title}</summary>
      ${form(`/sagas/${name}`, viewer, [
        markup`<input type="hidden" name="id" value="${id}" />
          <p>${meaning}</p>`,
        decisionFields(name, viewer),
        markup`<p><button>${title}</button></p>`,
      ])}
    </details>`;
  const main = [
    facts([
      ['Definition', `${found.saga} v${found.version}`],
      ['Status', badge(found.status)],
      ['Error', found.error],
      ['Order', markup`<a href="${link('/story', { id: found.correlationId })}">${found.correlationId}</a>`],
    ]),
    markup`<h2>Steps</h2>`,
    drawing(found),
    table(
      'In their order, and back',
      ['Step', 'Direction', 'Status', 'Begun', 'Asked', 'Error'],
      found.steps.map((step) => [
        `${step.step + 1} ${step.name}`,
        step.direction,
        badge(step.status),
        step.attempts,
        step.asked,
        step.error ?? '–',
      ]),
      'No step was begun yet.',
    ),
    withData
      ? data(found)
      : markup`<p><a href="${link('/sagas/saga', { id, data: 1 })}">Show input and results</a>, which may hold secrets.</p>`,
    markup`<h2>Decisions</h2>`,
    table(
      'What people decided',
      ['When', 'What', 'Who', 'Why'],
      found.decisions.map(({ at, kind, by, why }) => [moment(at), kind, by, why]),
      'Nobody decided anything.',
    ),
    found.status === 'PARKED' &&
      markup`<h2>Decide</h2>
        ${decide('retry', 'Retry', 'The step it is parked at is tried again; an unknown outcome is asked after at once.')}
        ${decide('abandon', 'Abandon', 'Nothing more is done about it, whatever was done so far stays. For good.')}
        <p>What was found out about the step is recorded with <code>checkback saga resume</code>.</p>`,
  ];
  return { title: `Saga ${id}`, at: '/sagas', main };
}

/** Each step as a box, what undoes it below what it did; read from left to right, or from top to bottom. */
export function drawing({
  steps,
  step: at,
  direction,
  status,
}: Pick<SagaInstance, 'steps' | 'step' | 'direction' | 'status'>): Markup | undefined {
  if (steps.length === 0) return undefined;
  const byStep = Map.groupBy(steps, ({ step }) => step);
  const isHere = (one: SagaStepRecord): boolean => one.step === at && one.direction === direction && status !== 'COMPLETED';
  const box = (one: SagaStepRecord): Markup =>
    markup`<div class="work ${one.direction}${isHere(one) && ' here'}">
      <span>${one.direction === 'action' ? 'action' : 'compensation'}</span> ${badge(
        one.status,
      )}${isHere(one) && markup` <span>it stands here</span>`}
    </div>`;
  return markup`<ol class="flow">
    ${[...byStep]
      .sort(([a], [b]) => a - b)
      .map(
        ([, records]) =>
          markup`<li><strong>${records[0]!.name}</strong>${records.toSorted((a) => (a.direction === 'action' ? -1 : 1)).map(box)}</li>`,
      )}
  </ol>`;
}

const data = ({ input, steps }: SagaInstance): Markup =>
  markup`<h3>Input</h3>
    <pre tabindex="0" aria-label="Input">${lines(input)}</pre>
    ${steps
      .filter(({ result }) => result !== undefined)
      .map(
        ({ name, direction, result }) =>
          markup`<h3>Result of ${direction} ${name}</h3>
            <pre tabindex="0" aria-label="Result of ${direction} ${name}">${lines(result!)}</pre>`,
      )}`;

export const actOnSaga =
  (kind: 'retry' | 'abandon'): Action =>
  async (act) => {
    const id = required(act.fields, 'id');
    const notice = await act.backend.actions.decideSaga(id, kind, act.decision());
    return { ...(await show(act, id)), notice };
  };
