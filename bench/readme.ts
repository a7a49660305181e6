import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Measured, SectionResult } from './section.ts';

interface ResultsFile extends SectionResult {
  readonly section: string;
  readonly measuredAt: string;
  readonly tookS: number;
  readonly machine: Readonly<Record<string, string | number>>;
}

const RESULTS = new URL('./results/', import.meta.url);

/** Writes README.md from the results files: no figure in it is typed by hand. */
export function writeReadme(): void {
  const files = readdirSync(RESULTS).filter((name) => name.endsWith('.json'));
  const parts = files.sort().map((name) => describe(JSON.parse(readFileSync(new URL(name, RESULTS), 'utf8')) as ResultsFile));
  writeFileSync(new URL('./README.md', import.meta.url), [INTRODUCTION, ...parts].join('\n\n').concat('\n'));
}

const INTRODUCTION = `# Benchmarks

\`npm run bench -- [section…]\` measures and writes \`results/<section>.json\`; this page is generated from those files
(\`npm run bench -- --readme\` writes it again). Variants that are compared run in turn within one run. A ratio is taken round
by round. Every figure is the median of its rounds; "± " is half the distance between the quartiles.`;

function describe({ section, measuredAt, tookS, machine, headline, conditions, measured }: ResultsFile): string {
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
    table(
      ['measured', 'median', '±', 'least', 'most', 'rounds', 'unit'],
      Object.entries(measured).map(([name, figure]) => [words(name), ...row(figure)]),
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
