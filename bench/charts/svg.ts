import type { BarChart, Chart, LineChart } from './chart.ts';

const WIDTH = 760;
const LABELS = 190;
const RIGHT = 90;
const ROW = 34;
const TOP = 48;
const PLOT = WIDTH - LABELS - RIGHT;

/** Light or dark by the reader's own setting; on paper of its own, since the page around it may think otherwise. */
const STYLE = `<style>
  .paper { fill: #ffffff }
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .quiet { fill: #57606a; font-size: 12px }
  .axis { stroke: #d0d7de }
  .range { stroke: #24292f; stroke-width: 1.5 }
  .line { fill: none; stroke: #0969da; stroke-width: 2 }
  .p0 { fill: #0969da } .p1 { fill: #bf8700 } .p2 { fill: #1a7f37 } .p3 { fill: #8250df }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 }
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
    .axis { stroke: #3d444d }
    .range { stroke: #e6edf3 }
    .line { stroke: #4493f8 }
    .p0 { fill: #4493f8 } .p1 { fill: #d29922 } .p2 { fill: #3fb950 } .p3 { fill: #ab7df8 }
  }
</style>`;

/** An image that stands by itself: no script, no font, no link to anything. */
export const drawChart = (chart: Chart): string => (chart.kind === 'bars' ? drawBars(chart) : drawLine(chart));

function drawBars({ title, unit, parts, bars }: BarChart): string {
  const most = Math.max(...bars.map(({ values, range }) => Math.max(sum(values), range?.[1] ?? 0)), Number.MIN_VALUE);
  const scale = (value: number): number => (value / most) * PLOT;
  const legend = parts.length > 1 ? parts.map((part, nth) => drawLegend(part, nth, LABELS + nth * 130, TOP - 8)) : [];
  const top = TOP + (legend.length > 0 ? 12 : 0);
  const rows = bars.flatMap(({ label, values, range }, nth) => {
    const y = top + nth * ROW;
    const middle = y + ROW / 2;
    let x = LABELS;
    const rects = values.map((value, part) => {
      const width = scale(value);
      const rect = `<rect class="p${part % 4}" x="${at(x)}" y="${y + 5}" width="${at(width)}" height="${ROW - 12}"/>`;
      x += width;
      return rect;
    });
    const whisker =
      range === undefined
        ? []
        : [
            `<line class="range" x1="${at(LABELS + scale(range[0]))}" x2="${at(LABELS + scale(range[1]))}" y1="${middle - 1}" y2="${middle - 1}"/>`,
          ];
    const end = Math.max(x, LABELS + scale(range?.[1] ?? 0));
    return [
      text(LABELS - 8, middle + 3, label, 'end'),
      ...rects,
      ...whisker,
      text(end + 6, middle + 3, shown(sum(values)), 'start', 'quiet'),
    ];
  });
  const height = top + bars.length * ROW + 10;
  const axis = `<line class="axis" x1="${LABELS}" x2="${LABELS}" y1="${top}" y2="${height - 10}"/>`;
  return page(title, unit, height, [...legend, axis, ...rows]);
}

function drawLine({ title, unit, along, points }: LineChart): string {
  const height = 260;
  const bottom = height - 34;
  const mostX = Math.max(...points.map(([x]) => x), Number.MIN_VALUE);
  const mostY = Math.max(...points.map(([, y]) => y), Number.MIN_VALUE);
  const left = 80;
  const place = ([x, y]: readonly [number, number]): string =>
    `${at(left + (x / mostX) * (WIDTH - left - 30))},${at(bottom - (y / mostY) * (bottom - TOP - 10))}`;
  return page(title, unit, height, [
    `<line class="axis" x1="${left}" x2="${WIDTH - 30}" y1="${bottom}" y2="${bottom}"/>`,
    `<line class="axis" x1="${left}" x2="${left}" y1="${TOP}" y2="${bottom}"/>`,
    text(left - 6, TOP + 14, shown(mostY), 'end', 'quiet'),
    text(left - 6, bottom, '0', 'end', 'quiet'),
    text(WIDTH - 30, bottom + 18, `${shown(mostX)} ${along}`, 'end', 'quiet'),
    `<polyline class="line" points="${points.map(place).join(' ')}"/>`,
  ]);
}

const page = (title: string, unit: string, height: number, content: readonly string[]): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    STYLE,
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="6"/>`,
    text(14, 22, title, 'start', 'title'),
    text(WIDTH - 14, 22, unit, 'end', 'quiet'),
    ...content,
    '</svg>\n',
  ].join('\n');

const drawLegend = (part: string, nth: number, x: number, y: number): string =>
  `<rect class="p${nth % 4}" x="${x}" y="${y - 10}" width="11" height="11"/>${text(x + 16, y, part, 'start', 'quiet')}`;

const text = (x: number, y: number, words: string, anchor: 'start' | 'end', style = ''): string =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${style === '' ? '' : ` class="${style}"`}>${escaped(words)}</text>`;

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const at = (place: number): string => String(Math.round(place * 10) / 10);
const shown = (value: number): string => (value >= 1_000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3))));
const escaped = (words: string): string => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
