import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { countOpen, type ReconciliationReport } from '../../reconciliation/report.ts';
import { writePage } from './html-page.ts';
import { renderHtml } from './render-html.ts';
import { renderJson } from './render-json.ts';
import { renderTable } from './render-table.ts';

/** Something is left open, or broken. */
const EXIT_OPEN = 2;

/** Prints the reports, writes the page, and sets the exit code: 0 when nothing is left open, 2 otherwise. */
export const writeReports = async (
  reports: readonly ReconciliationReport[],
  { json, html }: { readonly json?: true | undefined; readonly html?: string | undefined },
): Promise<void> => {
  for (const report of reports) {
    await pipeline(Readable.from(json ? renderJson(report) : renderTable(report)), process.stdout, { end: false });
  }
  if (html !== undefined) await writePage(html, renderHtml(reports));
  if (reports.some((report) => countOpen(report) > 0)) process.exitCode = EXIT_OPEN;
};
