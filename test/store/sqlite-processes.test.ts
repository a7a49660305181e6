import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sqliteTransactionDatabase } from '../../src/store/sqlite-transaction-database.ts';
import { transactionMarker } from '../../src/transaction/lookup.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';

interface Report {
  readonly kind: string;
  readonly code?: string;
  readonly message?: string;
  readonly results?: readonly { readonly key: string; readonly kind: string }[];
}

describe('Several processes on one SQLite file', () => {
  let home: TestSqlite;
  beforeEach(async () => void (home = await createSqlite()));
  afterEach(() => home.drop());

  const publisher = () => startProcess<Report>('test/store/sqlite-owner.child.ts', [home.url], { driven: true });
  const first = async (of: { readonly reports: readonly Report[] }): Promise<Report> => {
    await expect.poll(() => of.reports[0], { timeout: 20_000 }).toBeDefined();
    return of.reports[0]!;
  };
  const startHere = async () => {
    const database = sqliteTransactionDatabase(await home.open());
    await database.start([{ name: 'l', lookup: transactionMarker(), half: 'first' }], { transactionTimeoutMs: 1_000 });
    return database;
  };

  it('have one publisher: a second process is refused at start, until the first is gone, killed or not', async () => {
    const one = publisher();
    expect(await first(one)).toEqual({ kind: 'started' });
    await using two = publisher();
    expect(await first(two)).toMatchObject({
      kind: 'refused',
      code: 'CB_CONFIGURATION',
      message: expect.stringMatching(/another process publishes to .*test\.db already/) as unknown,
    });
    one.kill('SIGKILL');
    await one.ended;
    await using three = publisher();
    expect(await first(three)).toEqual({ kind: 'started' });
    await expect(startHere()).rejects.toThrow(/another process publishes/);
    three.send({});
    await three.ended;
    await (await startHere()).close();
  });

  it('may have any number of publishers in that process; the last one to close gives it up', async () => {
    const [one, two] = [await startHere(), await startHere()];
    await one.close();
    await using refused = publisher();
    expect(await first(refused)).toMatchObject({ kind: 'refused' });
    await two.close();
    await two.close();
    await using next = publisher();
    expect(await first(next)).toEqual({ kind: 'started' });
  });

  it('open each call once between them', async () => {
    const processes = [1, 2].map(() => startProcess<Report>('test/store/sqlite-open.child.ts', [home.url], { driven: true }));
    try {
      for (const each of processes) expect(await first(each)).toEqual({ kind: 'ready' });
      const keys = Array.from({ length: 100 }, (_, n) => `key-${n}`);
      for (const each of processes) each.send({ keys });
      for (const each of processes) await expect.poll(() => each.reports[1], { timeout: 20_000 }).toBeDefined();
      const results = processes.flatMap((each) => each.reports[1]!.results!);
      for (const [key, ofKey] of Map.groupBy(results, ({ key }) => key))
        expect([key, ofKey.map(({ kind }) => kind).sort()]).toEqual([key, ['in-flight', 'opened']]);
      for (const each of processes) each.send({});
      for (const each of processes) expect((await each.ended).how).toBe(0);
    } finally {
      for (const each of processes) await each[Symbol.asyncDispose]();
    }
  });
});
