import type { Chart } from '../charts/chart.ts';
import { barsOf, cpuBars } from '../charts/from-table.ts';
import { COST_UNITS, type Cost } from '../cost/meter.ts';
import type { Loaded } from '../load/loaded.ts';
import { isSustained } from '../load/sustained.ts';
import { measured, ratios } from '../measure.ts';
import type { Measured, SectionResult, VariantTable } from '../section.ts';
import { harmonic, perRound } from './floors.ts';
import type { Steady } from './steady.ts';

/** Everything a run has seen, a list of rounds for each variant; at 256 in flight under the variant's name and the number. */
export interface PublishFigures {
  readonly conditions: SectionResult['conditions'];
  readonly rates: Readonly<Record<string, readonly number[]>>;
  readonly loads: Readonly<Record<string, readonly Loaded[]>>;
  readonly costs: Readonly<Record<string, readonly Cost[]>>;
  readonly opened: Readonly<Record<string, readonly Loaded[]>>;
  readonly openRate: number;
  readonly openMs: number;
  readonly sustainable: number;
  readonly steady: Steady;
  readonly checks: number;
  readonly duplicates: number;
  readonly missing: number;
}

/** What a variant of `publish` is called; every one of them is held against the floors. */
const isPublish = (name: string): boolean => name.startsWith('publish');

export function reportPublish(figures: PublishFigures): SectionResult {
  const { rates, steady } = figures;
  const cpu = (name: string): number[] => figures.loads[name]!.map(({ cpuUs, orders }) => cpuUs / orders);
  const official = rates['halfOfficial']!;
  const bare = rates['transaction']!;
  const against = Object.keys(rates)
    .filter(isPublish)
    .map((name): [string, Record<string, Measured>] => {
      const over = (floor: number[]): Measured =>
        ratios(
          cpu(name).map((us, round) => us - floor[round]!),
          floor,
        );
      return [
        name,
        {
          vsFloor: ratios(rates[name]!, perRound(Math.min, bare, official)),
          vsHarmonicModel: ratios(rates[name]!, perRound(harmonic, bare, official)),
          vsHarmonicModelOfLean: ratios(rates[name]!, perRound(harmonic, bare, rates['halfLean']!)),
          overheadCpu: over(perRound((a, b) => a + b, cpu('transaction'), cpu('halfOfficial'))),
          overheadCpuOfLean: over(perRound((a, b) => a + b, cpu('transaction'), cpu('halfLean'))),
          overheadCpuOfOrm: over(perRound((a, b) => a + b, cpu('transactionOrm'), cpu('halfOfficial'))),
        },
      ];
    });
  const { publishSql: statements, publish: entities } = Object.fromEntries(against) as Record<string, Record<string, Measured>>;
  const leanVsOfficialCpu = ratios(cpu('halfLean256'), cpu('halfOfficial256'));
  const leanVsJavaCpu = ratios(cpu('halfLean256'), cpu('halfJava256'));
  const tables = [closedTable(figures, cpu), openTable(figures), { title: 'publish() over its floors', rows: Object.fromEntries(against) }];
  return {
    headline: {
      // Like with like: the floors write statements, so `publish()` does. What the entity manager adds stands beside it.
      publishVsFloor: statements!['vsFloor']!.median,
      publishVsHarmonicModel: statements!['vsHarmonicModel']!.median,
      overheadCpu: statements!['overheadCpu']!.median,
      publishOrmVsFloor: entities!['vsFloor']!.median,
      publishOrmVsHarmonicModel: entities!['vsHarmonicModel']!.median,
      overheadCpuOrm: entities!['overheadCpu']!.median,
      overheadCpuOrmOverOrm: entities!['overheadCpuOfOrm']!.median,
      leanVsOfficialCpu: leanVsOfficialCpu.median,
      leanVsJavaCpu: leanVsJavaCpu.median,
      steadyChecks: figures.checks,
      steadyDuplicates: figures.duplicates,
      steadyOrders: steady.orders,
      steadyCpuGrowth: Number(steady.cpuGrowth.toPrecision(4)),
      steadyRssGrowth: Number(steady.rssGrowth.toPrecision(4)),
    },
    conditions: figures.conditions,
    measured: {
      leanVsOfficialCpu,
      leanVsJavaCpu,
      sustainableRate: measured('orders/s', [figures.sustainable]),
      steadyRate: measured('orders/s', [((steady.orders - steady.failed) / steady.wallMs) * 1_000]),
      steadyFailed: measured('orders', [steady.failed]),
      steadyMissing: measured('messages', [figures.missing]),
      steadyCpuFirst: measured('µs/order', [steady.points[0]!.cpuUs]),
      steadyCpuLast: measured('µs/order', [steady.points.at(-1)!.cpuUs]),
      steadyRssFirst: measured('MiB', [steady.points[0]!.rssBytes / 2 ** 20]),
      steadyRssLast: measured('MiB', [steady.points.at(-1)!.rssBytes / 2 ** 20]),
    },
    tables,
    charts: charts(tables[0]!, tables[1]!, steady),
  };
}

function closedTable({ rates, loads, costs }: PublishFigures, cpu: (name: string) => number[]): VariantTable {
  const row = (name: string): Record<string, Measured> => ({
    rate: measured('orders/s', rates[name]!),
    p50: measured(
      'ms',
      loads[name]!.map(({ p50Ms }) => p50Ms),
    ),
    p99: measured(
      'ms',
      loads[name]!.map(({ p99Ms }) => p99Ms),
    ),
    ...Object.fromEntries(
      Object.entries(COST_UNITS).flatMap(([figure, unit]) => {
        const seen = figure === 'appCpuS' ? cpu(name).map((us) => us / 1_000) : costs[name]!.map((cost) => cost[figure as keyof Cost]);
        return seen.every((value) => value !== undefined) ? [[figure, measured(unit, seen)]] : [];
      }),
    ),
    failed: measured(
      'orders',
      loads[name]!.map(({ failed }) => failed),
    ),
  });
  return { title: 'Saturated', rows: Object.fromEntries(Object.keys(rates).map((name) => [name, row(name)])) };
}

function openTable({ opened, openRate, openMs }: PublishFigures): VariantTable {
  const row = (rounds: readonly Loaded[]): Record<string, Measured> => ({
    p50: measured(
      'ms',
      rounds.map(({ p50Ms }) => p50Ms),
    ),
    p99: measured(
      'ms',
      rounds.map(({ p99Ms }) => p99Ms),
    ),
    sustained: measured('of the rounds', [rounds.filter((loaded) => isSustained(loaded, openRate, openMs)).length / rounds.length]),
  });
  return {
    title: `At ${openRate} orders a second, from the moment each was meant to begin`,
    rows: Object.fromEntries(Object.entries(opened).map(([name, rounds]) => [name, row(rounds)])),
  };
}

function charts(closed: VariantTable, opened: VariantTable, steady: Steady): Chart[] {
  return [
    barsOf(closed, 'rate', { name: 'publish-rate', title: 'Orders a second, saturated' }),
    cpuBars(closed, { name: 'publish-cpu', title: 'Processor time' }),
    barsOf(opened, 'p99', { name: 'publish-latency', title: 'Latency, 99th percentile, at a fixed rate' }),
    {
      kind: 'line',
      name: 'publish-steady',
      title: 'Processor time an order of one publisher, from its first to its last',
      unit: 'µs/order',
      along: 'orders',
      points: steady.points.map(({ orders, cpuUs }) => [orders, Number(cpuUs.toPrecision(4))] as const),
    },
  ];
}
