import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

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

/** A page that needs nothing but itself, a piece at a time. `body` is markup: what comes from outside must be escaped in it. */
export async function* htmlPage(title: string, body: AsyncIterable<string>): AsyncGenerator<string> {
  yield `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(POLICY)}">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body><h1>${escapeHtml(title)}</h1>
`;
  yield* body;
  yield '</body></html>\n';
}

/** A row of a table, its cells escaped. */
export const tableRow = (cells: readonly (string | number)[]): string =>
  `<tr>${cells.map((cell) => `<td>${escapeHtml(String(cell))}</td>`).join('')}</tr>\n`;

/** Writes the file whole or not at all, since somebody may look at it right now, and says so. */
export const writePage = async (file: string, page: AsyncIterable<string>): Promise<void> => {
  const unfinished = `${file}.${process.pid}.part`;
  await pipeline(Readable.from(page), createWriteStream(unfinished));
  await rename(unfinished, file);
  process.stderr.write(`written to ${file}\n`);
};
