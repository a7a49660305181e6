import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reconcileOpenCalls } from '../../src/reconciliation/reconcile-open-calls.ts';
import { reportOfRun } from '../../src/reconciliation/report.ts';
import { readAll } from './support/read-all.ts';
import { ABANDONED, openShop, RUNNING, type Shop, UNKNOWN } from './support/shop.ts';

describe('Reconciliation of open calls', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop();
  });
  beforeEach(() => shop.clear());
  afterAll(() => shop?.close());

  const signal = new AbortController().signal;
  const reconcile = async (options: Parameters<Shop['reconciler']>[0] = {}, wanted: Parameters<typeof reconcileOpenCalls>[0] = {}) => {
    const { open } = shop.reconciler(options);
    const run = await reconcileOpenCalls(wanted, open, signal);
    return reportOf(run!);
  };
  const reportOf = async (run: number) => {
    const { looked, totals, breaks } = await reportOfRun(shop.reconciler().open.runs, run);
    return {
      looked,
      totals,
      breaks: (await readAll(breaks())).map(({ idempotencyKey, verdict, why }) => ({ idempotencyKey, verdict, why })),
    };
  };

  it('a call whose worker died is declared UNKNOWN, asked after with the message of its order, and settled with its effect', async () => {
    for (const id of ['paid', 'refused']) await shop.order(id);
    await shop.paid('paid');
    await shop.refused('refused');
    for (const id of ['paid', 'refused']) await shop.call(id, ABANDONED);
    expect(await reconcile()).toEqual({ looked: 2, totals: { SUCCESS: 1, FAIL: 1 }, breaks: [] });
    expect(await shop.statuses()).toEqual({ paid: 'SUCCESS', refused: 'FAIL' });
    expect(await shop.orderStatuses()).toEqual({ paid: 'PAID', refused: 'REJECTED' });
    expect(shop.questions()).toEqual({ paid: 1, refused: 1 });
    const [record] = await shop.execute("select state, correlation_id, listener from status_check where idempotency_key = 'paid'");
    expect(record).toEqual({ state: 'DONE', correlation_id: 'c-paid', listener: 'charge-payment' });
  });

  it('an order the bank never got is sent under the same key', async () => {
    await shop.order('lost');
    await shop.call('lost', ABANDONED);
    expect((await reconcile()).totals).toEqual({ SUCCESS: 1 });
    expect(shop.bank.effects.get('lost')).toBe(1);
  });

  it('what is open for less than the first question takes is not asked after yet', async () => {
    await shop.order('young');
    await shop.call('young', "'PENDING', 'gone', utc_timestamp(3) - interval 1 minute");
    expect(await reconcile()).toMatchObject({ totals: { WAITING: 1 }, breaks: [{ idempotencyKey: 'young', verdict: 'WAITING' }] });
    expect(await shop.statuses()).toEqual({ young: 'UNKNOWN' });
    expect(shop.questions()).toEqual({});
    // And not by the next run either.
    expect((await reconcile()).totals).toEqual({ WAITING: 1 });
    expect(shop.questions()).toEqual({});
  });

  it('a status check on record is followed: due ones are asked, others wait for their time or for a person', async () => {
    for (const id of ['due', 'later', 'review']) {
      await shop.order(id);
      await shop.call(id);
      await shop.paid(id);
    }
    await shop.check('due', 0);
    await shop.check('later', 5);
    await shop.check('review', undefined);
    expect(await reconcile({ isBlind: true })).toMatchObject({ looked: 3, totals: { SUCCESS: 1, WAITING: 1, REVIEW: 1 } });
    expect(shop.questions()).toEqual({ due: 1 });
  });

  it('without its message a call is a break, and nobody is asked', async () => {
    await shop.order('there');
    await shop.paid('there');
    await shop.call('there');
    await shop.call('no-order');
    await shop.call('x', UNKNOWN, { name: 'book-shipment' });
    const blind = await reconcile({ isBlind: true });
    expect(blind.totals).toEqual({ NO_MESSAGE: 2, NO_LISTENER: 1 });
    const seeing = await reconcile();
    expect(seeing.totals).toEqual({ SUCCESS: 1, NO_MESSAGE: 1, NO_LISTENER: 1 });
    expect(seeing.breaks).toEqual([
      { idempotencyKey: 'no-order', verdict: 'NO_MESSAGE', why: 'message source "order-payments" finds no row for it' },
      { idempotencyKey: 'x', verdict: 'NO_LISTENER', why: 'no listener here makes call "book-shipment"' },
    ]);
    expect(await shop.statuses()).toMatchObject({ 'no-order': 'UNKNOWN' });
  });

  it('leaves calls of sagas to their sagas, questions to those who ask, and attempts under way alone', async () => {
    await shop.execute(
      `insert into saga_step (saga_id, step, direction, name, status, started_at, updated_at)
       values ('s:1', 0, 'action', 'charge', 'RUNNING', utc_timestamp(3), utc_timestamp(3))`,
    );
    for (const key of ['s:1:charge', 's:1:charge:compensation:2']) await shop.call(key, ABANDONED);
    await shop.call('s:1:chargeback', ABANDONED);
    await shop.call('q#1', ABANDONED, { name: 'charge-payment.status' });
    await shop.call('running', RUNNING);
    expect(await reconcile()).toMatchObject({ looked: 3, totals: { SAGA: 2, NO_MESSAGE: 1 } });
    expect(await shop.statuses()).toEqual({
      's:1:charge': 'PENDING',
      's:1:charge:compensation:2': 'PENDING',
      's:1:chargeback': 'UNKNOWN',
      running: 'PENDING',
    });
  });

  it('a call between attempts is a break once nobody has tried for long', async () => {
    await shop.call('stuck', "'PENDING', null, null", { ageMin: 61 });
    await shop.call('patient', "'PENDING', null, null", { ageMin: 59 });
    expect(await reconcile()).toMatchObject({ looked: 1, breaks: [{ idempotencyKey: 'stuck', verdict: 'IDLE' }] });
  });

  it('looks only at what is younger than it was told', async () => {
    await shop.call('old', UNKNOWN, { ageMin: 120 });
    await shop.call('young', UNKNOWN, { ageMin: 30 });
    expect((await reconcile({}, { since: { agoMs: 3_600_000 } })).breaks).toMatchObject([{ idempotencyKey: 'young' }]);
  });

  it('goes through several pages of every stage', async () => {
    for (let nth = 0; nth < 7; nth += 1) {
      await shop.call(`a${nth}`, ABANDONED);
      await shop.call(`u${nth}`);
      await shop.call(`i${nth}`, "'PENDING', null, null", { ageMin: 90 });
    }
    // The same end of lease for all of them.
    await shop.execute("update external_call set lease_until = '2026-01-01' where status = 'PENDING' and lease_until is not null");
    expect(await reconcile({ chunk: 3 })).toMatchObject({ looked: 21, totals: { NO_MESSAGE: 14, IDLE: 7 } });
  });

  it('a row that somebody has locked is not waited for, and is looked at in the end', async () => {
    for (const id of ['a', 'b', 'c']) {
      await shop.order(id);
      await shop.paid(id);
      await shop.call(id);
    }
    const { open } = shop.reconciler({ concurrency: 1 });
    const holder = shop.orm.em.fork();
    await holder.begin();
    const lock = "select id from external_call where call_name = 'charge-payment' and idempotency_key = 'b' for update";
    await holder.getConnection().execute(lock, [], 'all', holder.getTransactionContext());
    const settled: string[] = [];
    const run = reconcileOpenCalls(
      {},
      {
        ...open,
        check: async (claimed, abort) => {
          settled.push(claimed.idempotencyKey);
          await open.check(claimed, abort);
          if (settled.length === 2) await holder.rollback();
        },
      },
      signal,
    );
    expect(await reportOf((await run)!)).toEqual({ looked: 3, totals: { SUCCESS: 3 }, breaks: [] });
    expect(settled).toEqual(['a', 'c', 'b']);
  });

  it('a run that broke off is taken up by the next one: same run, same report, nobody asked twice', async () => {
    const ids = Array.from({ length: 12 }, (_, nth) => `o${String(nth).padStart(2, '0')}`);
    for (const id of ids) {
      await shop.order(id);
      await shop.paid(id);
      await shop.call(id, ABANDONED);
    }
    const { open } = shop.reconciler({ chunk: 4, concurrency: 1 });
    let asked = 0;
    const breaksOff = reconcileOpenCalls(
      {},
      {
        ...open,
        check: async (claimed, abort) => {
          if ((asked += 1) === 7) throw new Error('killed');
          await open.check(claimed, abort);
        },
      },
      signal,
    );
    await expect(breaksOff).rejects.toThrow('killed');
    // The lease of the one that was about to be asked ends.
    await shop.execute('update status_check set lease_until = utc_timestamp(3) where lease_until is not null');
    expect(await reconcile({ chunk: 4 })).toEqual({ looked: 12, totals: { SUCCESS: 12 }, breaks: [] });
    expect(Object.values(shop.questions())).toEqual(ids.map(() => 1));
    expect(await shop.execute('select count(*) as n, min(status) as status from reconciliation_run')).toEqual([{ n: 1, status: 'DONE' }]);
  });

  it('a moment of a schedule is run once, one at a time', async () => {
    const { open } = shop.reconciler();
    const tick = '2026-01-01T00:00:00.000Z';
    const runs = await Promise.all([1, 2, 3].map(() => reconcileOpenCalls({ tick }, open, signal)));
    expect(runs.filter((run) => run !== undefined)).toHaveLength(1);
    expect(await reconcileOpenCalls({ tick }, open, signal)).toBeUndefined();
    expect(await reconcileOpenCalls({ tick: '2026-01-01T00:10:00.000Z' }, open, signal)).toBeDefined();
  });
});
