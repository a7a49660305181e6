import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measured } from './measure.ts';
import { openStatementDay } from './reconciliation/statement-days.ts';
import type { BenchOptions, Section } from './section.ts';
import { openDatabase } from './stack.ts';

/** A day's settlement file against our rows: rows a second, memory, and how time grows with the day. */
export const benchReconciliation: Section = async (options) => {
  const [small, large] = options.isQuick ? [2_000, 20_000] : [100_000, 1_000_000];
  const repeats = options.isQuick ? 1 : 3;
  const few = await measureDay(options, small, repeats);
  const many = await measureDay(options, large, repeats);
  const growth = measured(
    'ratio',
    many.tookMs.map((ms, round) => ms / few.tookMs[round]!),
  );
  const rowsPerSecond = measured('rows/s', many.rowsPerSecond);
  const rss = measured('MiB', many.maxRssMib);
  return {
    headline: { statementRowsPerSecond: rowsPerSecond.median, statementMaxRssMib: rss.max, statementGrowthTenfold: growth.median },
    conditions: {
      orders: large,
      breaksOfEachKind: many.breaksOfEachKind,
      breaksFound: many.found,
      statement: 'CSV, shuffled, checked by a schema, with a trailer',
      rowsAreLinesAndOrders: 'both counted',
      database: many.server,
    },
    measured: { rowsPerSecond, rowsPerSecondOfATenth: measured('rows/s', few.rowsPerSecond), maxRss: rss, timeForTenfold: growth },
  };
};

async function measureDay(options: BenchOptions, orders: number, repeats: number) {
  const { say, signal } = options;
  const breaksOfEachKind = orders / 1_000;
  const directory = mkdtempSync(join(tmpdir(), 'checkback-bench-statement-'));
  const database = await openDatabase(options);
  try {
    say(`${orders} orders are made`);
    const day = await openStatementDay(database.url, directory, orders, breaksOfEachKind);
    try {
      const told = { rowsPerSecond: [] as number[], tookMs: [] as number[], maxRssMib: [] as number[] };
      let found = 0;
      for (let round = 0; round < repeats; round += 1) {
        signal.throwIfAborted();
        const result = await day.reconcile();
        found = await day.requireExactBreaks();
        for (const name of ['rowsPerSecond', 'tookMs', 'maxRssMib'] as const) told[name].push(result[name]);
        say(`${orders} orders: ${result.rowsPerSecond} rows/s, ${Math.round(result.maxRssMib)} MiB, ${Math.round(result.tookMs)} ms`);
      }
      return { ...told, found, breaksOfEachKind, server: database.server };
    } finally {
      await day.close();
    }
  } finally {
    await database.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
