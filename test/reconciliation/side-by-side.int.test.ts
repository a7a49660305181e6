import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chargePayment } from '../../listeners/charge-payment.listener.ts';
import { reconcileOpenCalls } from '../../src/reconciliation/reconcile-open-calls.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { keepUnknownOutcomes } from '../../src/status-check/keep-unknown-outcome.ts';
import { startStatusChecker } from '../../src/status-check/status-checker.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { mysqlStatusCheckStore } from '../../src/store/mysql-status-check-store.ts';
import { applyOutcome } from '../../src/worker/apply-outcome.ts';
import { decodeMessage } from '../../src/worker/decode-message.ts';
import type { AnyMessageListener } from '../../src/worker/message-listener.ts';
import { startWorker } from '../../src/worker/worker.ts';
import { InMemoryConsumer } from '../support/in-memory-consumer.ts';
import { executeIn } from '../support/execute-in.ts';
import { ABANDONED, openShop, payloadOf, type Shop, UNKNOWN } from './support/shop.ts';

describe('Reconcilers side by side with workers', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop();
  });
  afterAll(() => shop?.close());

  const signal = new AbortController().signal;

  it('settle every call once and repeat no question', async () => {
    const { orm, gateway, bank } = shop;
    await shop.execute('create table effect (id int auto_increment primary key, what varchar(64) not null)');
    const ids = Array.from({ length: 160 }, (_, nth) => `o${nth}`);
    for (const [nth, id] of ids.entries()) {
      await shop.order(id);
      await shop.paid(id);
      await shop.call(id, nth % 2 === 0 ? ABANDONED : UNKNOWN);
      if (nth % 4 === 1) await shop.check(id, 0);
    }
    const listener: AnyMessageListener = {
      ...chargePayment,
      onSuccess: async (em, { message }) =>
        void (await executeIn(em, 'insert into effect (what) values (?)', [(message.payload as { orderId: string }).orderId])),
    };
    const store = mysqlStatusCheckStore(orm);
    const calls = mysqlExternalCallStore(orm);
    const worker = { decodeMessage, applyOutcome };
    const checker = startStatusChecker({ store, calls, gateway, worker, listeners: [listener], sweepMs: 100 });
    // What the broker delivers again: messages of workers that died.
    const consumer = new InMemoryConsumer({ clock: systemClock, topic: 'orders', group: 'payment-workers' });
    const live = startWorker({
      consumers: [{ listener, consumer }],
      gateway,
      unknownOutcome: keepUnknownOutcomes({ store }),
      concurrency: 4,
    });
    for (const id of ids.filter((_, nth) => nth % 8 === 0)) consumer.send(payloadOf(id), { tag: 'placed', keys: [id] });

    const reconcilers = [1, 2].map(() => shop.reconciler({ listener, chunk: 10 }).open);
    const runs = await Promise.all(reconcilers.map((open) => reconcileOpenCalls({}, open, signal)));
    await live.close();
    await checker.close();

    expect(new Set(runs).size).toBe(2);
    const questions = shop.questions();
    expect(Math.max(...Object.values(questions))).toBe(1);
    const effects = (await shop.execute('select what from effect')).map(({ what }) => what as string);
    expect(effects).toHaveLength(new Set(effects).size);
    // What a worker found first is asked after when its time has come, by the rule of its call.
    const statuses = await shop.statuses();
    const settled = ids.filter((id) => statuses[id] === 'SUCCESS');
    expect(new Set(effects)).toEqual(new Set(settled));
    const waiting = new Set(
      (await shop.execute("select idempotency_key as id from status_check where state <> 'DONE'")).map(({ id }) => id),
    );
    expect(ids.filter((id) => statuses[id] !== 'SUCCESS' && !waiting.has(id))).toEqual([]);
    for (const [nth, open] of reconcilers.entries()) {
      const { totals, looked } = await open.runs.summary(runs[nth]!);
      expect(Object.values(totals).reduce((sum, n) => sum + n, 0)).toBe(looked);
    }
    expect([...bank.effects.values()].every((times) => times === 1)).toBe(true);
  });
});
