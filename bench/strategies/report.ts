import { barsOf, cpuBars, stackedBars } from '../charts/from-table.ts';
import { COST_UNITS, type Cost } from '../cost/meter.ts';
import { isSustained } from '../load/sustained.ts';
import { measured, ratios } from '../measure.ts';
import type { Measured, SectionResult, VariantTable } from '../section.ts';
import type { Journey } from './lane.ts';

export interface StrategyFigures {
  readonly conditions: SectionResult['conditions'];
  /** Rounds by strategy. */
  readonly saturated: Readonly<Record<string, readonly Journey[]>>;
  readonly atFixedRate: Readonly<Record<string, readonly Journey[]>>;
  readonly openRate: number;
  readonly openMs: number;
}

export function reportStrategies({ conditions, saturated, atFixedRate, openRate, openMs }: StrategyFigures): SectionResult {
  const of = (name: string, figure: (journey: Journey) => number): number[] => saturated[name]!.map(figure);
  const bytes = ({ cost }: Journey): number => cost.redoBytes + cost.binlogBytes;
  const redoVsOutbox = ratios(of('halfMessage', bytes), of('pollingOutbox', bytes));
  const closed: VariantTable = { title: 'Saturated, until the last message is delivered', rows: rowsOf(saturated, saturatedRow) };
  const opened: VariantTable = {
    title: `At ${openRate} orders a second: publish() from the moment it was meant to begin, and from there to the delivery`,
    rows: rowsOf(atFixedRate, (journeys) => fixedRateRow(journeys, openRate, openMs)),
  };
  const all = [...Object.values(saturated), ...Object.values(atFixedRate)].flat();
  return {
    headline: { redoVsOutbox: redoVsOutbox.median },
    conditions,
    measured: {
      redoVsOutbox,
      redoLogAloneVsOutbox: ratios(
        of('halfMessage', ({ cost }) => cost.redoBytes),
        of('pollingOutbox', ({ cost }) => cost.redoBytes),
      ),
      undelivered: measured('orders', [
        all.reduce((sum, { loaded, delivered }) => sum + loaded.orders - loaded.failed - delivered.orders, 0),
      ]),
      deliveredTwice: measured('messages', [all.reduce((sum, { delivered }) => sum + delivered.deliveries - delivered.orders, 0)]),
    },
    tables: [closed, opened],
    charts: [
      barsOf(closed, 'rate', { name: 'strategies-rate', title: 'Orders a second, saturated, delivered' }),
      stackedBars(
        closed,
        { redoBytes: 'redo log', binlogBytes: 'binlog' },
        { name: 'strategies-bytes', title: 'Bytes the database writes' },
      ),
      cpuBars(closed, { name: 'strategies-cpu', title: 'Processor time' }),
      barsOf(opened, 'endToEndP50', { name: 'strategies-delay', title: 'From publish() to delivery at a fixed rate, median' }),
    ],
  };
}

const rowsOf = (
  journeys: Readonly<Record<string, readonly Journey[]>>,
  row: (journeys: readonly Journey[]) => Record<string, Measured>,
): VariantTable['rows'] => Object.fromEntries(Object.entries(journeys).map(([name, rounds]) => [name, row(rounds)]));

function saturatedRow(journeys: readonly Journey[]): Record<string, Measured> {
  const costs = Object.entries(COST_UNITS).flatMap(([name, unit]) => {
    const seen = journeys.map(({ cost }) => cost[name as keyof Cost]);
    return seen.every((value) => value !== undefined) ? [[name, measured(unit, seen)] as const] : [];
  });
  return {
    rate: measured(
      'orders/s',
      journeys.map(({ perSecond }) => perSecond),
    ),
    accepted: measured(
      'orders/s',
      journeys.map(({ loaded }) => ((loaded.orders - loaded.failed) / loaded.wallMs) * 1_000),
    ),
    ...Object.fromEntries(costs),
  };
}

const fixedRateRow = (journeys: readonly Journey[], openRate: number, openMs: number): Record<string, Measured> => ({
  p50: measured(
    'ms',
    journeys.map(({ loaded }) => loaded.p50Ms),
  ),
  p99: measured(
    'ms',
    journeys.map(({ loaded }) => loaded.p99Ms),
  ),
  endToEndP50: measured(
    'ms',
    journeys.map(({ delivered }) => delivered.p50Ms),
  ),
  endToEndP99: measured(
    'ms',
    journeys.map(({ delivered }) => delivered.p99Ms),
  ),
  sustained: measured('of the rounds', [journeys.filter(({ loaded }) => isSustained(loaded, openRate, openMs)).length / journeys.length]),
});
