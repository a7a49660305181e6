import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HeldRun, ReconciliationRunStore, WantedRun } from '../../src/reconciliation/run-store.ts';
import { openNamedLocks } from '../../src/store/mysql-named-locks.ts';
import { mysqlReconciliationRunStore } from '../../src/store/mysql-reconciliation-run-store.ts';
import { openShop, type Shop } from './support/shop.ts';

describe('ReconciliationRunStore', () => {
  let shop: Shop;
  let store: ReconciliationRunStore;
  const held: HeldRun[] = [];
  beforeAll(async () => {
    shop = await openShop();
    store = mysqlReconciliationRunStore(shop.orm);
  });
  beforeEach(async () => {
    await Promise.all(held.splice(0).map((run) => run.release()));
    await shop.clear();
  });
  afterAll(async () => {
    await Promise.all(held.map((run) => run.release()));
    await shop?.close();
  });

  const take = async (wanted: Partial<WantedRun> = {}): Promise<HeldRun | undefined> => {
    const run = await store.take({ kind: 'open', name: '', ...wanted });
    if (run !== undefined) held.push(run);
    return run;
  };
  const item = async (run: HeldRun, key: string, verdict: string | null = null): Promise<void> =>
    void (await shop.execute(
      "insert into reconciliation_item (run_id, call_name, idempotency_key, verdict, updated_at) values (?, 'charge', ?, ?, utc_timestamp(3))",
      [run.id, key, verdict],
    ));

  it('a run that is held is nobody else’s; one that was let go of unfinished is taken up', async () => {
    const first = (await take())!;
    const second = (await take())!;
    expect([first.isResumed, second.isResumed, first.id === second.id]).toEqual([false, false, false]);
    await first.release();
    expect(await take()).toMatchObject({ id: first.id, isResumed: true });
  });

  it('takes up a run of the same kind, name and scope only, and none that is done', async () => {
    const first = (await take({ since: { agoMs: 1_000 } }))!;
    await first.release();
    for (const other of [{}, { since: { agoMs: 2_000 } }, { kind: 'delivery', name: 'a', since: { agoMs: 1_000 } }] as Partial<WantedRun>[])
      expect(await take(other)).toMatchObject({ isResumed: false });
    const again = (await take({ since: { agoMs: 1_000 } }))!;
    expect(again).toMatchObject({ id: first.id, isResumed: true, since: first.since });
    await store.finish(again);
    await again.release();
    expect(await take({ since: { agoMs: 1_000 } })).toMatchObject({ isResumed: false });
  });

  it('what has lain for a day is not taken up any more', async () => {
    const first = (await take())!;
    await first.release();
    await shop.execute('update reconciliation_run set updated_at = utc_timestamp(3) - interval 25 hour');
    expect(await take()).toMatchObject({ isResumed: false });
    expect(await store.summary(first.id)).toMatchObject({ status: 'ABANDONED' });
  });

  it('there is one delivery run of a source at a time, whatever its scope', async () => {
    const first = (await take({ kind: 'delivery', name: 'a' }))!;
    expect(await take({ kind: 'delivery', name: 'a', since: { agoMs: 5 } })).toBeUndefined();
    expect(await take({ kind: 'delivery', name: 'b' })).toBeDefined();
    await first.release();
    expect(await take({ kind: 'delivery', name: 'a' })).toMatchObject({ id: first.id });
  });

  it('many that begin at once begin a run each, and take up each unfinished one once', async () => {
    const before = await Promise.all([take(), take(), take()]);
    await Promise.all(before.map((run) => run!.release()));
    const after = await Promise.all(Array.from({ length: 5 }, () => take()));
    expect(new Set(after.map((run) => run!.id)).size).toBe(5);
    expect(after.filter((run) => run!.isResumed)).toHaveLength(3);
  });

  it('gives items out in pages until each has its verdict, and replaces none but BUSY', async () => {
    const run = (await take())!;
    for (const key of ['a', 'b', 'c']) await item(run, key);
    const [a, b] = await store.undecided(run, { after: 0, limit: 2 });
    expect([a!.idempotencyKey, b!.idempotencyKey]).toEqual(['a', 'b']);
    await store.decide(a!, 'BUSY');
    await store.decide(b!, 'REVIEW', 'x'.repeat(600));
    expect((await store.undecided(run, { after: 0, limit: 9 })).map(({ idempotencyKey }) => idempotencyKey)).toEqual(['c']);
    expect(await store.undecided(run, { verdict: 'BUSY', after: 0, limit: 9 })).toEqual([a]);
    await store.decide(a!, 'SUCCESS');
    await store.decide(a!, 'FAIL');
    await store.decide(b!, 'SUCCESS');
    expect((await store.summary(run.id)).totals).toEqual({ SUCCESS: 1, REVIEW: 1 });
    expect(await store.breaks(run.id, { after: 0, limit: 9 })).toMatchObject([
      { idempotencyKey: 'b', verdict: 'REVIEW', why: 'x'.repeat(500) },
    ]);
  });

  it('keeps the counts of ended runs when their items are removed', async () => {
    const old = (await take())!;
    await item(old, 'a', 'SUCCESS');
    await store.finish(old);
    await shop.execute('update reconciliation_run set finished_at = utc_timestamp(3) - interval 40 day');
    const running = (await take())!;
    await item(running, 'a', 'SUCCESS');
    await store.purge(30 * 86_400_000);
    expect(await shop.execute('select run_id from reconciliation_item')).toEqual([{ run_id: running.id }]);
    expect(await store.summary(old.id)).toMatchObject({ status: 'DONE', totals: { SUCCESS: 1 } });
    await expect(store.summary(old.id + 1_000)).rejects.toThrow(RangeError);
  });

  it('names of locks are those of one database, and end with their holder', async () => {
    const [one, two] = await Promise.all([openNamedLocks(shop.orm), openNamedLocks(shop.orm)]);
    expect(await one.lock('x')).toBe(true);
    expect(await two.lock('x')).toBe(false);
    expect(await two.lock('y')).toBe(true);
    await one.release();
    await one.release();
    expect(await two.lock('x')).toBe(true);
    await two.unlock('x');
    await two.release();
  });
});
