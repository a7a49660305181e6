import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { drawChart } from './charts/svg.ts';
import type { Measured, SectionResult, VariantTable } from './section.ts';

interface ResultsFile extends SectionResult {
  readonly section: string;
  readonly measuredAt: string;
  readonly tookS: number;
  readonly machine: Readonly<Record<string, string | number>>;
}

const RESULTS = new URL('./results/', import.meta.url);

/** Writes README.md and its charts from the results files: no figure in it is typed by hand. */
export function writeReadme(): void {
  const names = readdirSync(RESULTS);
  for (const name of names) if (name.endsWith('.svg')) rmSync(new URL(name, RESULTS));
  const files = names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(new URL(name, RESULTS), 'utf8')) as ResultsFile);
  for (const chart of files.flatMap(({ charts = [] }) => charts)) writeFileSync(new URL(`${chart.name}.svg`, RESULTS), drawChart(chart));
  writeFileSync(new URL('./README.md', import.meta.url), [INTRODUCTION, ...files.map(describe)].join('\n\n').concat('\n'));
}

const INTRODUCTION = `# Benchmarks

\`npm run bench -- [section…]\` measures and writes \`results/<section>.json\`; this page and its charts are generated from those
files (\`npm run bench -- --readme\` writes them again). Variants that are compared run in turn within one run. A ratio is taken
round by round. Every figure is the median of its rounds; "± " is half the distance between the quartiles. The thin line in a bar
goes from the least to the most of the rounds.`;

/** A section of the page, in Markdown. */
export function describe({
  section,
  measuredAt,
  tookS,
  machine,
  headline,
  conditions,
  measured,
  tables = [],
  charts = [],
}: ResultsFile): string {
  const facts = (of: Readonly<Record<string, string | number>>): string =>
    Object.entries(of)
      .map(([name, value]) => `${words(name)} ${value}`)
      .join(' · ');
  return [
    `## ${section}`,
    `Measured ${measuredAt.slice(0, 10)} in ${tookS} s on: ${facts(machine)}.`,
    `Conditions: ${facts(conditions)}.`,
    table(
      ['headline', 'figure'],
      Object.entries(headline).map(([name, value]) => [`\`${name}\``, String(value)]),
    ),
    ...charts.map(({ name, title }) => `![${title}](results/${name}.svg)`),
    ...tables.map(variants),
    table(
      ['measured', 'median', '±', 'least', 'most', 'rounds', 'unit'],
      Object.entries(measured).map(([name, figure]) => [words(name), ...row(figure)]),
    ),
  ].join('\n\n');
}

/** Variants down, figures across; what a variant has no figure for stays empty. */
function variants({ title, rows }: VariantTable): string {
  const columns = new Map(
    Object.values(rows).flatMap((figures) => Object.entries(figures).map(([name, { unit }]) => [name, unit] as const)),
  );
  const cell = (figure: Measured | undefined): string => {
    if (figure === undefined) return '';
    return figure.repeats.length > 1 && figure.spread > 0
      ? `${format(figure.median)} ± ${(figure.spread * 100).toFixed(0)} %`
      : format(figure.median);
  };
  return [
    `**${title}**`,
    table(
      ['', ...[...columns].map(([name, unit]) => `${words(name)}, ${unit}`)],
      Object.entries(rows).map(([name, figures]) => [words(name), ...[...columns.keys()].map((column) => cell(figures[column]))]),
    ),
  ].join('\n\n');
}

const row = ({ unit, median, spread, min, max, repeats }: Measured): string[] => [
  format(median),
  `${(spread * 100).toFixed(1)} %`,
  format(min),
  format(max),
  String(repeats.length),
  unit,
];

const format = (value: number): string => (value >= 1000 ? Math.round(value).toLocaleString('en') : String(value));
const words = (name: string): string => name.replaceAll(/(?<=[a-z\d])(?=[A-Z])/g, ' ').toLowerCase();
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
