/* oxlint-disable vitest/no-conditional-expect -- what must hold depends on the outcome, which is not this test's to choose */
import { describe, expect, it } from 'vitest';
import { ExternalCallAttemptEntity, ExternalCallEntity, ExternalCallResponseEntity, OrderEntity } from '../../schema/index.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { openShop } from '../support/publishing-shop.ts';
import type { Traffic, TrafficReport } from './support/publish-until-closed.ts';

const CONFIG = 'test/e2e/support/shop.config.ts';
const PATIENCE = { timeout: 90_000, interval: 200 };
const BLOCKED_MS = 10_000;
/** Codes of rejections that say: it did not happen. */
const DID_NOT_HAPPEN = ['CB_CLOSED', 'CB_HALF_MESSAGE', 'CB_LOCAL_TRANSACTION', 'CB_DATABASE_UNAVAILABLE'];

describe('An event loop that stands still for ten seconds under load', () => {
  it('in a producer, longer than all its deadlines: each order ends as publish() says, and it closes in its time', async () => {
    await using shop = await openShop('blocked_producer');
    const traffic: Traffic = {
      endpoints: shop.endpoints,
      mysqlUrl: shop.database.url,
      topic: shop.topic,
      loops: 16,
      closeAfter: 160,
      block: { atCommit: 60, forMs: BLOCKED_MS },
      patienceMs: 4_000,
    };
    await using producer = startProcess<TrafficReport>('test/e2e/support/publish-until-closed.ts', [JSON.stringify(traffic)]);
    const { how, reports, stderr } = await producer.ended;
    expect({ how, stderr }).toEqual({ how: 0, stderr: '' });
    expect(reports.find(({ kind }) => kind === 'blocked')!).toMatchObject({ inFlight: expect.toSatisfy((count: number) => count > 4) });
    expect(reports.at(-1)).toMatchObject({ kind: 'closed' });

    const orders = reports.filter((report) => 'orderId' in report);
    const rows = await shop.orderIds();
    for (const { kind, orderId, code } of orders) {
      if (kind === 'resolved') expect(rows, orderId).toContain(orderId);
      else expect(DID_NOT_HAPPEN, orderId).toContain(code);
      if (kind === 'rejected') expect(rows, `${orderId} ${code}`).not.toContain(orderId);
    }
    // Its heir answers for what it left behind; the sentinel comes after all of that.
    await shop.startWorker();
    const heir = await shop.startPublisher();
    const em = shop.orm.em;
    await expect.poll(() => em.fork().count(OrderEntity, { status: 'PAID' }), PATIENCE).toBe(rows.length);
    await heir.publish(shop.placeOrder, anOrder('sentinel'));
    await expect.poll(() => shop.isPaid('sentinel'), PATIENCE).toBe(true);
    expect(Object.fromEntries(shop.bank.effects)).toEqual(Object.fromEntries([...rows, 'sentinel'].map((id) => [id, 1])));
  });

  it('in a worker, longer than its leases: another works on, each effect happens once, each request is on record, and it drains in its time', async () => {
    const ORDERS = 120;
    const BLOCK_AFTER = 20;
    await using shop = await openShop('blocked_worker');
    shop.bank.follow(({ method }) => (method === 'POST' ? { kind: 'slow', delayMs: 200 } : undefined));
    const publisher = await shop.startPublisher();
    const orderIds = Array.from({ length: ORDERS }, (_, index) => `order-${String(index).padStart(3, '0')}`);
    await Promise.all(orderIds.map((orderId) => publisher.publish(shop.placeOrder, anOrder(orderId))));

    await using worker = startProcess('src/cli/main.ts', ['worker', '--config', CONFIG, '--concurrency', '8'], {
      env: { ...shop.env, CHECKBACK_TEST_BLOCK: `${BLOCK_AFTER},${BLOCKED_MS}` },
    });
    const { em } = shop.orm;
    const paid = (): Promise<number> => em.fork().count(OrderEntity, { status: 'PAID' });
    await expect.poll(paid, { ...PATIENCE, interval: 20 }).toBeGreaterThanOrEqual(BLOCK_AFTER - 8);
    await shop.startWorker({ leaseMs: 4_000, concurrency: 8 });
    const isAllSettled = async (): Promise<boolean> => {
      const unsettled = await em.fork().count(ExternalCallEntity, { status: { $nin: ['SUCCESS', 'UNKNOWN'] } });
      return unsettled === 0 && (await em.fork().count(ExternalCallEntity)) === ORDERS;
    };
    await expect.poll(isAllSettled, PATIENCE).toBe(true);

    worker.kill('SIGTERM');
    const { how, stderr } = await worker.ended;
    expect(how, stderr).toBe(0);
    expect(stderr).toContain('worker stopped');
    // An attempt whose record was committed around the standstill may have had no time left: then nothing was sent, as its snapshot says.
    const unsent = await em.fork().find(ExternalCallResponseEntity, { status: 'PENDING', failedPhase: 'connect' });
    const isUnsent = new Set(unsent.map(({ callId, attempt }) => `${callId}:${attempt}`));
    const attempts = await em.fork().findAll(ExternalCallAttemptEntity);
    const sent = attempts.filter(({ callId, attempt }) => !isUnsent.has(`${callId}:${attempt}`));
    const keys = new Map((await em.fork().findAll(ExternalCallEntity)).map(({ id, idempotencyKey }) => [id, idempotencyKey]));
    const asked = shop.bank.requests.filter(({ method }) => method === 'POST').map(({ idempotencyKey }) => idempotencyKey);
    // Each request is on record; and none is made twice, though the bank would forgive a second one under the same key.
    expect(asked.toSorted()).toEqual(sent.map(({ callId }) => keys.get(callId)).toSorted());
    expect(new Set(asked).size).toBe(asked.length);
    expect(Object.fromEntries(shop.bank.effects)).toEqual(Object.fromEntries(asked.map((id) => [id, 1])));
    expect(keys.size - asked.length).toBeLessThanOrEqual(8);
    const unknown = await em.fork().count(ExternalCallEntity, { status: 'UNKNOWN' });
    expect(await paid()).toBe(ORDERS - unknown);
    // No more than what it had in hand when it stood still.
    expect(unknown).toBeLessThanOrEqual(8);
  });
});
