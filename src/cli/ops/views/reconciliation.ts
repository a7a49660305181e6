import { VERDICTS, type Verdict } from '../../../reconciliation/verdict.ts';
import type { OpsRun } from '../../../store/mysql-ops-lists.ts';
import { markup, link } from '../html.ts';
import { badge, facts, moment, nextPage, table } from '../page.ts';
import { oneOf, RefusedRequest, requiredNumber, rowNumber } from '../read-form.ts';
import type { View } from '../routes.ts';

const PAGE = 25;
const ITEMS = 50;

/** Runs of either kind and comparisons with statements, newest first. */
export const listRuns: View = async ({ fields, backend }) => {
  const [found, statements] = await Promise.all([
    backend.lists.runs({ before: rowNumber(fields, 'before'), limit: PAGE + 1 }),
    backend.lists.statementRuns({ before: rowNumber(fields, 'statement'), limit: PAGE + 1 }),
  ]);
  const runs = found.slice(0, PAGE);
  const compared = statements.slice(0, PAGE);
  const main = [
    markup`<h2>Open calls and deliveries</h2>`,
    table(
      'Newest first',
      ['Run', 'Kind', 'Status', 'Began', 'Ended', 'Looked at', 'Left to do'],
      runs.map((run) => [
        markup`<a href="${link('/reconciliation/run', { id: run.id })}">${run.id}</a>`,
        `${run.kind}${run.name === '' ? '' : `, ${run.name}`}`,
        badge(run.status),
        moment(run.startedAt),
        run.finishedAt ? moment(run.finishedAt) : '–',
        run.looked,
        run.status === 'DONE' ? leftOf(run) : '–',
      ]),
      'Nothing was reconciled yet.',
    ),
    nextPage(found.length > PAGE ? link('/reconciliation', { before: runs.at(-1)!.id }) : undefined),
    markup`<h2>Statements</h2>`,
    table(
      'Newest first; what differs is under Breaks',
      ['Run', 'Statement', 'Day', 'From', 'Status', 'Lines', 'Rows of ours', 'Began'],
      compared.map((run) => [run.id, run.statement, run.day, run.source, badge(run.status), run.lines, run.rows, moment(run.startedAt)]),
      'No statement was compared yet.',
    ),
    nextPage(statements.length > PAGE ? link('/reconciliation', { statement: compared.at(-1)!.id }) : undefined),
  ];
  return { title: 'Reconciliation', at: '/reconciliation', main };
};

const leftOf = ({ totals }: OpsRun): number =>
  Object.entries(totals).reduce((sum, [verdict, count]) => (VERDICTS[verdict as Verdict]?.isOpen ? sum + count : sum), 0);

/** One run, and its items of one verdict. */
export const showRun: View = async ({ fields, backend }) => {
  const id = requiredNumber(fields, 'id');
  const [run] = await backend.lists.runs({ before: id + 1, limit: 1 });
  if (run?.id !== id) throw new RefusedRequest(404, `There is no reconciliation run ${id}.`);
  const names = Object.keys(VERDICTS) as Verdict[];
  const counted = names.filter((verdict) => (run.totals[verdict] ?? 0) > 0);
  // Until it is done nobody has counted, so every verdict is offered.
  const offered = counted.length > 0 ? counted : names;
  const verdict = oneOf(fields, 'verdict', [
    ...offered.filter((one) => VERDICTS[one].isOpen),
    ...offered.filter((one) => !VERDICTS[one].isOpen),
  ]);
  const found = await backend.lists.runItems({ run: id, verdict }, { after: rowNumber(fields, 'after'), limit: ITEMS + 1 });
  const items = found.slice(0, ITEMS);
  const main = [
    facts([
      ['Kind', `${run.kind}${run.name === '' ? '' : `, ${run.name}`}`],
      ['Status', badge(run.status)],
      ['Began', moment(run.startedAt)],
      ['Ended', run.finishedAt && moment(run.finishedAt)],
      ['Looked at', run.looked],
    ]),
    markup`<nav class="choices" aria-label="Verdict">
      <ul>
        ${offered.map(
          (one) =>
            markup`<li>
              <a href="${link('/reconciliation/run', { id, verdict: one })}" ${one === verdict && markup` aria-current="true"`}
                >${VERDICTS[one].label}${counted.length > 0 && `: ${run.totals[one]}`}</a
              >
            </li>`,
        )}
      </ul>
    </nav>`,
    table(
      VERDICTS[verdict].label,
      ['Call', 'Idempotency key', 'Why', 'When'],
      items.map((item) => [
        item.callName,
        markup`<a href="${link('/find', { q: item.idempotencyKey })}">${item.idempotencyKey}</a>`,
        item.why,
        moment(item.at),
      ]),
      'There is none, or it was removed with its time.',
    ),
    nextPage(found.length > ITEMS ? link('/reconciliation/run', { id, verdict, after: items.at(-1)!.id }) : undefined),
  ];
  return { title: `Reconciliation run ${id}`, at: '/reconciliation', main };
};
