import { createReadStream } from 'node:fs';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bankStatement } from '../../../listeners/reconciliation/bank.statement.ts';
import { reconcileStatement, type StatementResult } from '../../../src/reconciliation/statement/reconcile-statement.ts';
import type { StatementStore } from '../../../src/reconciliation/statement/statement-store.ts';
import { mysqlOurRows } from '../../../src/store/mysql-settlement-rows.ts';
import { mysqlStatementStore } from '../../../src/store/mysql-reconciliation-break-store.ts';
import { createDatabase } from '../../support/stack.ts';
import { DAY, generated, insertOrders, openShop, temporaryFiles } from './support.ts';

describe('reconcileStatement, 100,000 orders', () => {
  const files = temporaryFiles();
  const day = generated(100_000, 100);
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let orm: MikroORM;
  let store: StatementStore;
  let path: string;

  beforeAll(async () => {
    database = await createDatabase('statement');
    orm = await openShop(database.url);
    await orm.migrator.up();
    store = mysqlStatementStore(orm);
    await insertOrders(orm, day.orders());
    path = await files.write('bank.csv', day.statement());
  });

  afterAll(async () => {
    await orm?.close(true);
    await database?.drop();
    files.remove();
  });

  const run = (file: string): Promise<StatementResult> =>
    reconcileStatement(
      bankStatement,
      { day: DAY, bytes: createReadStream(file), source: 'bank.csv' },
      { store, ours: mysqlOurRows(orm) },
      new AbortController().signal,
    );
  const found = async (): Promise<string[]> =>
    (await store.list({ state: 'OPEN' }, { after: 0, limit: 10_000 })).map(({ kind, reference }) => `${kind} ${reference}`).sort();

  it('finds the breaks that are there and no others, and the same when it is run again', async () => {
    const first = await run(path);
    expect(await found()).toEqual(day.breaks);
    const report = await store.report(first.runId);
    expect(report.run).toMatchObject({ isDone: true, lines: 100_100, rows: 100_000 });
    expect(first.rowsPerSecond).toBeGreaterThan(0);
    const second = await run(path);
    expect(second.runId).not.toBe(first.runId);
    expect(await found()).toEqual(day.breaks);
    expect((await store.report(second.runId)).counts).toEqual(report.counts);
  });
});
