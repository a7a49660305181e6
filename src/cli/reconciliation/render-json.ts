import { countOpen, type ReconciliationReport } from '../../reconciliation/report.ts';

/** The report as one JSON object on one line, a piece at a time. */
export async function* renderJson(report: ReconciliationReport): AsyncGenerator<string> {
  const { kind, name, runId = null, startedAt, finishedAt = null, looked, totals, notKept } = report;
  const head = { kind, name, runId, isDryRun: runId === null, startedAt, finishedAt, looked, totals, open: countOpen(report), notKept };
  yield `${JSON.stringify(head).slice(0, -1)},"breaks":[`;
  let comma = '';
  for await (const { callName, idempotencyKey, verdict, why = null } of report.breaks()) {
    yield comma + JSON.stringify({ callName, idempotencyKey, verdict, why });
    comma = ',';
  }
  yield ']}\n';
}
