import { styleText } from 'node:util';
import { countOpen, type ReconciliationReport, verdictsOf } from '../../reconciliation/report.ts';
import { VERDICTS } from '../../reconciliation/verdict.ts';
import { printable } from '../print.ts';

/** What a report is about, in a few words. */
export const titleOf = ({ kind, name, runId }: Pick<ReconciliationReport, 'kind' | 'name' | 'runId'>): string =>
  `${kind === 'open' ? 'open calls' : `deliveries of ${name}`}, ${runId === undefined ? 'dry run' : `run ${runId}`}`;

export const unitOf = ({ kind }: Pick<ReconciliationReport, 'kind'>): string => (kind === 'open' ? 'calls' : 'rows');

/** The report, for a person, a piece at a time. */
export async function* renderTable(report: ReconciliationReport): AsyncGenerator<string> {
  const { looked, totals, notKept } = report;
  yield `${styleText('bold', titleOf(report))}\n  ${String(looked).padStart(9)}  ${unitOf(report)} looked at\n`;
  for (const { label, count, isOpen } of verdictsOf(totals)) {
    const line = `  ${String(count).padStart(9)}  ${label}\n`;
    yield isOpen ? styleText('yellow', line) : line;
  }
  if (countOpen(report) === 0) return yield 'nothing is left open\n';
  yield `${styleText('bold', 'left to do')}\n`;
  for await (const { callName, idempotencyKey, verdict, why } of report.breaks()) {
    yield `  ${printable(`${callName}  ${idempotencyKey}  ${VERDICTS[verdict].label}${why === undefined ? '' : ` (${why})`}`)}\n`;
  }
  if (notKept > 0) yield `  and ${notKept} more\n`;
}
