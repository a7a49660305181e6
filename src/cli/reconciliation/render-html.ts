import { countOpen, type ReconciliationReport, verdictsOf } from '../../reconciliation/report.ts';
import { VERDICTS } from '../../reconciliation/verdict.ts';
import { titleOf, unitOf } from './render-table.ts';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text for any place of a page, attributes included; without what would turn the direction of writing or end a line. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (found) => ESCAPES[found]!).replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\u{fffd}');

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.5rem}table{border-collapse:collapse;width:100%;margin:.75rem 0}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;width:6rem}tr.open td{background:#fff6df}
p.done{color:#176b34}p.left{color:#8a4b00;font-weight:600}time{white-space:nowrap}
@media (prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}th,td{border-color:#333}tr.open td{background:#3a2f12}p.done{color:#7fd49a}p.left{color:#ffc46b}}`;

/** Nothing is loaded and nothing runs, whatever a key holds. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** A page that needs nothing but itself, a piece at a time; one section a report. */
export async function* renderHtml(reports: readonly ReconciliationReport[]): AsyncGenerator<string> {
  yield `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(POLICY)}">
<title>Reconciliation</title><style>${STYLE}</style></head><body><h1>Reconciliation</h1>
`;
  for (const report of reports) yield* section(report);
  yield '</body></html>\n';
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
  for await (const { callName, idempotencyKey, verdict, why = '' } of report.breaks()) {
    const cells = [callName, idempotencyKey, VERDICTS[verdict].label, why].map((text) => `<td>${escapeHtml(text)}</td>`);
    yield `<tr>${cells.join('')}</tr>\n`;
  }
  yield `</tbody></table>${notKept > 0 ? `<p>and ${notKept} more</p>` : ''}</section>\n`;
}

const moment = (at: Date): string => `<time datetime="${at.toISOString()}">${at.toISOString()}</time>`;
