import type { VariantTable } from '../section.ts';
import type { BarChart } from './chart.ts';

type Heading = Pick<BarChart, 'name' | 'title'>;

/** One column of a table, with the range of its rounds; rows that lack it are left out. */
export function barsOf({ rows }: VariantTable, column: string, heading: Heading): BarChart {
  const shown = Object.entries(rows).flatMap(([label, row]) => (row[column] === undefined ? [] : [{ label, figure: row[column] }]));
  return {
    kind: 'bars',
    ...heading,
    unit: shown[0]?.figure.unit ?? '',
    parts: [column],
    bars: shown.map(({ label, figure: { median, min, max } }) => ({ label, values: [median], range: [min, max] as const })),
  };
}

/** Several columns of one unit on top of each other. */
export function stackedBars({ rows }: VariantTable, columns: Readonly<Record<string, string>>, heading: Heading): BarChart {
  const names = Object.keys(columns);
  const first = Object.values(rows)[0];
  return {
    kind: 'bars',
    ...heading,
    unit: names.map((name) => first?.[name]?.unit).find((unit) => unit !== undefined) ?? '',
    parts: Object.values(columns),
    bars: Object.entries(rows).map(([label, row]) => ({ label, values: names.map((name) => row[name]?.median ?? 0) })),
  };
}

/** Who spends the processor's time. */
export const cpuBars = (table: VariantTable, heading: Heading): BarChart =>
  stackedBars(table, { appCpuS: 'application', brokerCpuS: 'broker', databaseCpuS: 'database' }, heading);
