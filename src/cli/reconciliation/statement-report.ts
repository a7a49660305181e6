import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { styleText } from 'node:util';
import type { FoundBreak, OurFigures, StatementBreak, TheirFigures } from '../../reconciliation/statement/break.ts';
import type { StatementPreview } from '../../reconciliation/statement/preview-store.ts';
import type { StatementResult } from '../../reconciliation/statement/reconcile-statement.ts';
import type { BreakCount, StatementReport, StatementStore } from '../../reconciliation/statement/statement-store.ts';
import { printable } from '../print.ts';
import { htmlPage, tableRow, writePage } from './html-page.ts';

/** A break as it is shown; one of a dry run has no number. */
type ShownBreak = FoundBreak & { readonly id?: number };

/** A report, and how its open breaks are read. */
export interface StatementReportView extends StatementReport {
  readonly isDryRun: boolean;
  readonly rowsPerSecond: number;
  readonly tookMs: number;
  breaks(): AsyncIterable<ShownBreak>;
}

const PAGE = 500;

export const storedReport = async (store: StatementStore, result: StatementResult): Promise<StatementReportView> => {
  async function* breaks(): AsyncGenerator<ShownBreak> {
    for (let after = 0; ;) {
      const page = await store.list({ run: result.runId, state: 'OPEN' }, { after, limit: PAGE });
      for (const one of page) yield { ...one, isLate: isLate(one) };
      if (page.length < PAGE) return;
      after = page.at(-1)!.id;
    }
  }
  const { rowsPerSecond, tookMs } = result;
  return { ...(await store.report(result.runId)), isDryRun: false, rowsPerSecond, tookMs, breaks };
};

export const previewReport = (preview: StatementPreview, { rowsPerSecond, tookMs }: StatementResult): StatementReportView => ({
  ...preview.report(),
  isDryRun: true,
  rowsPerSecond,
  tookMs,
  async *breaks() {
    yield* preview.found;
  },
});

/** Something is left open. */
const EXIT_OPEN = 2;

/** Prints the report, writes the page, and sets the exit code: 0 without an open break that is not late, 2 with one. */
export const writeStatementReport = async (
  report: StatementReportView,
  { json, html }: { readonly json?: true | undefined; readonly html?: string | undefined },
): Promise<void> => {
  await pipeline(Readable.from(json ? asJson(report) : asTable(report)), process.stdout, { end: false });
  if (html !== undefined) await writePage(html, htmlPage(titleOf(report), asHtml(report)));
  if (countOpen(report) > 0) process.exitCode = EXIT_OPEN;
};

export const isLate = ({ standing }: StatementBreak): boolean => standing.state === 'OPEN' && standing.isLate;

const countOpen = ({ counts }: StatementReport): number =>
  counts.reduce((sum, { state, isLate: late, count }) => sum + (state === 'OPEN' && !late ? count : 0), 0);

const labelOf = ({ kind, state, isLate: late }: BreakCount): string => `${kind}${state === 'OPEN' ? (late ? ', late' : '') : `, ${state}`}`;

const titleOf = ({ isDryRun, run }: StatementReportView): string =>
  `statement ${run.statement} of ${run.day}, ${isDryRun ? 'dry run' : `run ${run.id}`}`;

/** What was gone through, as lines of number and word. */
const factsOf = ({ run, resolved, openElsewhere, rowsPerSecond }: StatementReportView): [number, string][] => [
  [run.lines, 'lines'],
  [run.rows, 'rows of ours'],
  [rowsPerSecond, 'lines and rows a second'],
  ...(run.truncatedAt === undefined
    ? []
    : [[run.truncatedAt, 'is the line it breaks off in: rows it may have had are no breaks'] as [number, string]]),
  ...(resolved === 0 ? [] : [[resolved, 'breaks are resolved by it'] as [number, string]]),
  ...(openElsewhere === 0 ? [] : [[openElsewhere, 'breaks of other days are open'] as [number, string]]),
];

async function* asTable(report: StatementReportView): AsyncGenerator<string> {
  yield `${styleText('bold', titleOf(report))}\n`;
  for (const [count, word] of factsOf(report)) yield `  ${String(count).padStart(9)}  ${word}\n`;
  for (const count of report.counts) yield `  ${String(count.count).padStart(9)}  ${labelOf(count)}\n`;
  if (countOpen(report) === 0) yield '  no open break\n';
  for await (const one of report.breaks()) yield `  ${breakLine(one)}\n`;
}

/** One break on one line, for a person. */
export const breakLine = ({ id, kind, reference, theirs, ours, isLate: late }: ShownBreak): string =>
  printable(
    [
      ...(id === undefined ? [] : [String(id).padStart(6)]),
      `${kind}${late ? ' (late)' : ''}`.padEnd(15),
      reference,
      `theirs ${theirs === undefined ? '–' : `${figures(theirs)} line ${theirs.line}`}`,
      `ours ${ours === undefined ? '–' : figures(ours)}`,
    ].join('  '),
  );

const figures = ({ amountMinor, currency, status }: TheirFigures | OurFigures): string =>
  `${amountMinor} ${currency} ${status ?? 'no call'}`;

async function* asJson(report: StatementReportView): AsyncGenerator<string> {
  // Functions are left out of JSON, so the breaks come by themselves.
  yield `${JSON.stringify({ kind: 'statement', ...report, open: countOpen(report) }).slice(0, -1)},"breaks":[`;
  let comma = '';
  for await (const one of report.breaks()) {
    yield comma + JSON.stringify(breakJson(one));
    comma = ',';
  }
  yield ']}\n';
}

/** Amounts as text: they may be larger than JSON's numbers are exact. */
export const breakJson = ({ theirs, ours, ...one }: ShownBreak): object => ({
  ...one,
  theirs: theirs && { ...theirs, amountMinor: String(theirs.amountMinor) },
  ours: ours && { ...ours, amountMinor: String(ours.amountMinor) },
});

async function* asHtml(report: StatementReportView): AsyncGenerator<string> {
  yield '<table>\n';
  for (const fact of factsOf(report)) yield tableRow(fact);
  for (const count of report.counts) yield tableRow([count.count, labelOf(count)]);
  yield '</table>\n<table><thead><tr><th>number</th><th>break</th><th>reference</th><th>line</th><th>theirs</th><th>ours</th></tr></thead><tbody>\n';
  for await (const { id, kind, reference, theirs, ours, isLate: late } of report.breaks())
    yield tableRow([
      id ?? '',
      `${kind}${late ? ', late' : ''}`,
      reference,
      theirs?.line ?? '',
      theirs ? figures(theirs) : '–',
      ours ? figures(ours) : '–',
    ]);
  yield '</tbody></table>\n';
}
