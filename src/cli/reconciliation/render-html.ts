import { countOpen, type ReconciliationReport, verdictsOf } from '../../reconciliation/report.ts';
import { VERDICTS } from '../../reconciliation/verdict.ts';
import { escapeHtml, htmlPage, tableRow } from './html-page.ts';
import { titleOf, unitOf } from './render-table.ts';

/** One section a report. */
export const renderHtml = (reports: readonly ReconciliationReport[]): AsyncIterable<string> =>
  htmlPage('Reconciliation', sections(reports));

async function* sections(reports: readonly ReconciliationReport[]): AsyncGenerator<string> {
  for (const report of reports) yield* section(report);
}

async function* section(report: ReconciliationReport): AsyncGenerator<string> {
  const { startedAt, finishedAt, looked, totals, notKept } = report;
  const open = countOpen(report);
  yield `<section><h2>${escapeHtml(titleOf(report))}</h2>
<p>begun ${moment(startedAt)}${finishedAt === undefined ? '' : `, ended ${moment(finishedAt)}`}</p>
<table><thead><tr><th class="n">${escapeHtml(unitOf(report))}</th><th>what was found</th></tr></thead><tbody>
<tr><td class="n">${looked}</td><td>looked at</td></tr>
`;
  for (const { label, count, isOpen } of verdictsOf(totals))
    yield `<tr${isOpen ? ' class="open"' : ''}><td class="n">${count}</td><td>${escapeHtml(label)}</td></tr>\n`;
  yield '</tbody></table>\n';
  if (open === 0) return yield '<p class="done">Nothing is left open.</p></section>\n';
  yield `<p class="left">${open} left to do</p>
<table><thead><tr><th>call</th><th>idempotency key</th><th>what</th><th>why</th></tr></thead><tbody>
`;
  for await (const { callName, idempotencyKey, verdict, why = '' } of report.breaks())
    yield tableRow([callName, idempotencyKey, VERDICTS[verdict].label, why]);
  yield `</tbody></table>${notKept > 0 ? `<p>and ${notKept} more</p>` : ''}</section>\n`;
}

const moment = (at: Date): string => `<time datetime="${at.toISOString()}">${at.toISOString()}</time>`;
