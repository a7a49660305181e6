import { describe, expect, it } from 'vitest';
import { ExternalCallAttemptEntity, ExternalCallEntity, OrderEntity } from '../../schema/index.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { openShop } from '../support/publishing-shop.ts';
import type { Traffic, TrafficReport } from './support/publish-until-closed.ts';

const CONFIG = 'test/e2e/support/shop.config.ts';
const PATIENCE = { timeout: 90_000, interval: 200 };

describe('close() during traffic', () => {
  it.each([
    { when: 'once', closeAfter: 60, signals: 0 },
    { when: 'at each of two SIGTERMs', closeAfter: 'SIGTERM', signals: 2 },
  ] as const)('$when: lets a publisher finish its orders in flight, refuses new ones, and the process ends by itself', async (given) => {
    await using shop = await openShop('closing');
    const LOOPS = 16;
    const traffic: Traffic = {
      endpoints: shop.endpoints,
      mysqlUrl: shop.database.url,
      topic: shop.topic,
      loops: LOOPS,
      closeAfter: given.closeAfter,
    };
    await using producer = startProcess<TrafficReport>('test/e2e/support/publish-until-closed.ts', [JSON.stringify(traffic)]);
    const { signals } = given;
    await expect.poll(() => producer.reports.length, { ...PATIENCE, interval: 20 }).toBeGreaterThanOrEqual(signals === 0 ? 0 : 60);
    for (let sent = 0; sent < signals; sent++) producer.kill('SIGTERM');
    const { how, reports, stderr } = await producer.ended;
    expect({ how, stderr }).toEqual({ how: 0, stderr: '' });

    const orders = reports.filter((report) => 'orderId' in report);
    const taken = orders.filter(({ kind }) => kind === 'resolved').map(({ orderId }) => orderId);
    const refused = orders.filter(({ kind }) => kind === 'rejected');
    expect(reports.at(-1)).toMatchObject({ kind: 'closed' });
    expect(refused.map(({ code }) => code)).toEqual(Array.from({ length: LOOPS }, () => 'CB_CLOSED'));
    const closed = reports.find((report) => report.kind === 'closed')!;
    expect(closed.inFlight).toBeGreaterThan(0);
    expect(orders.filter(({ kind, closing }) => kind === 'resolved' && closing)).toHaveLength(closed.inFlight);
    expect(await shop.orderIds()).toEqual(taken.toSorted());

    // The producer is gone: what is delivered now owes nothing to it.
    await shop.startWorker();
    const em = shop.orm.em;
    await expect.poll(() => em.fork().count(OrderEntity, { status: 'PAID' }), PATIENCE).toBe(taken.length);
    expect([...shop.bank.effects.keys()].toSorted()).toEqual(taken.toSorted());
  });

  it('lets a worker process finish what it works on after SIGTERM, exit 0, and another worker does the rest', async () => {
    const ORDERS = 80;
    await using shop = await openShop('draining');
    shop.bank.follow(({ method }) => (method === 'POST' ? { kind: 'slow', delayMs: 150 } : undefined));
    const publisher = await shop.startPublisher();
    const orderIds = Array.from({ length: ORDERS }, (_, index) => `order-${String(index).padStart(3, '0')}`);
    await Promise.all(orderIds.map((orderId) => publisher.publish(shop.placeOrder, anOrder(orderId))));

    await using worker = startProcess('src/cli/main.ts', ['worker', '--config', CONFIG, '--concurrency', '8'], { env: shop.env });
    const isBusy = (): boolean => shop.bank.requests.length > 20 && shop.bank.requests.some(({ answeredAt }) => answeredAt === undefined);
    await expect.poll(isBusy, { ...PATIENCE, interval: 20 }).toBe(true);
    worker.kill('SIGTERM');
    const { how, stderr } = await worker.ended;
    expect(how, stderr).toBe(0);
    expect(stderr).toContain('worker stopped');

    const asked = shop.bank.requests.length;
    expect(asked).toBeLessThan(ORDERS);
    const em = shop.orm.em;
    // Every call it had begun has its end on record; nothing is left for a lease to run out.
    expect(await em.fork().count(ExternalCallEntity, { status: 'SUCCESS' })).toBe(asked);
    expect(await em.fork().count(ExternalCallEntity)).toBe(asked);

    shop.bank.follow([]);
    await shop.startWorker();
    await expect.poll(() => em.fork().count(OrderEntity, { status: 'PAID' }), PATIENCE).toBe(ORDERS);
    expect(Object.fromEntries(shop.bank.effects)).toEqual(Object.fromEntries(orderIds.map((id) => [id, 1])));
  });

  it('at a second SIGTERM ends a worker process at once; nothing it did is done again, and another worker does the rest', async () => {
    const ORDERS = 60;
    await using shop = await openShop('ended_at_once');
    shop.bank.follow(({ method }) => (method === 'POST' ? { kind: 'slow', delayMs: 1_000 } : undefined));
    const publisher = await shop.startPublisher();
    const orderIds = Array.from({ length: ORDERS }, (_, index) => `order-${String(index).padStart(3, '0')}`);
    await Promise.all(orderIds.map((orderId) => publisher.publish(shop.placeOrder, anOrder(orderId))));

    // The lease of what it leaves behind is short.
    await using worker = startProcess('src/cli/main.ts', ['worker', '--config', CONFIG, '--concurrency', '8'], {
      env: { ...shop.env, CHECKBACK_TEST_BLOCK: '0,0' },
    });
    const unanswered = (): number => shop.bank.requests.filter(({ answeredAt }) => answeredAt === undefined).length;
    await expect.poll(() => shop.bank.requests.length > 8 && unanswered() >= 4, { ...PATIENCE, interval: 20 }).toBe(true);
    worker.kill('SIGTERM');
    await expect.poll(() => worker.saidToStderr(), { ...PATIENCE, interval: 10 }).toContain('worker drains');
    const atOnce = unanswered();
    worker.kill('SIGTERM');
    const { how, stderr } = await worker.ended;
    expect(how, stderr).toBe(130);
    expect(atOnce).toBeGreaterThan(0);

    shop.bank.follow([]);
    const heir = await shop.startWorker({ leaseMs: 4_000 });
    // A call that was cut off is never simply made again: what the bank did is for a status check to find out.
    const { em } = shop.orm;
    const settled = async (): Promise<number> => {
      const fork = em.fork();
      const [paid, unknown] = await Promise.all([
        fork.count(OrderEntity, { status: 'PAID' }),
        fork.count(ExternalCallEntity, { status: 'UNKNOWN' }),
      ]);
      return paid + unknown;
    };
    await expect.poll(settled, PATIENCE).toBe(ORDERS);
    await expect.poll(() => heir.stats().inFlight, PATIENCE).toBe(0);
    expect(Object.fromEntries(shop.bank.effects)).toEqual(Object.fromEntries(orderIds.map((id) => [id, 1])));
    const asked = shop.bank.requests.filter(({ method }) => method === 'POST').map(({ idempotencyKey }) => idempotencyKey);
    expect(asked.toSorted()).toEqual(orderIds);
    // I4: each request of either worker has the record that was written before its first byte.
    expect(await em.fork().count(ExternalCallAttemptEntity)).toBe(ORDERS);
  });
});
