import { describe, expect, it } from 'vitest';
import { ExternalCallEntity, OrderEntity } from '../../schema/index.ts';
import { LocalTransactionError, type TransactionalPublisher, rocketmq } from '../../src/index.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { THROWING_CUSTOMER, anOrder } from '../support/publishing-listeners.ts';
import { PATIENT_MS, type Shop, openShop } from '../support/publishing-shop.ts';
import { useStack } from '../support/stack.ts';

const ORDERS = 1_000;
const CONCURRENCY = 64;
// Longer than a lease: a duplicate that meets its call in flight is postponed until the lease ends.
const PATIENCE = { timeout: 90_000, interval: 250 };

interface Plan {
  readonly id: string;
  /** One in ten: half of them throw after their insert, half of them return ROLLBACK. */
  readonly fails: 'throws' | 'declines' | undefined;
  /** One in ten committed ones, and some of the failing ones. */
  readonly losesEnd: boolean;
}

const PLANS: readonly Plan[] = Array.from({ length: ORDERS }, (_, index) => ({
  id: `order-${String(index).padStart(4, '0')}`,
  fails: index % 20 === 3 ? 'throws' : index % 20 === 13 ? 'declines' : undefined,
  losesEnd: index % 10 === 7 || index % 40 === 3 || index % 40 === 13,
}));
const idsOf = (matches: (plan: Plan) => boolean): string[] => PLANS.filter(matches).map(({ id }) => id);
const COMMITTED = idsOf(({ fails }) => fails === undefined);
const FAILING = idsOf(({ fails }) => fails !== undefined);

describe('A thousand orders, one in ten failing locally, one in ten with its END lost', () => {
  it('delivers exactly what committed, pays each once, and keeps evidence of every request', async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    await using shop = await openShop('thousand');
    using checked = collectEvents('checked');
    const endless = new Set(idsOf(({ losesEnd }) => losesEnd));
    const broker = watchedBroker(rocketmq({ endpoints: shop.endpoints, requestTimeoutMs: PATIENT_MS }), ({ keys }) =>
      endless.has(keys[0]!),
    );
    // Fewer connections than orders in flight: they queue for the pool, and so do the check-backs.
    const publisher = await shop.startPublisher({ broker, poolSize: 40 });
    const worker = await shop.startWorker({ concurrency: 32 });

    const { rejected, transactions } = await publishAll(publisher, shop);
    expect(Object.keys(rejected).toSorted()).toEqual(FAILING);
    for (const error of Object.values(rejected)) expect(error).toBeInstanceOf(LocalTransactionError);
    expect(await shop.orderIds()).toEqual(COMMITTED);

    // Each lost END is found by a check-back of that very transaction, and answered from its row.
    const answered = (resolution: string): Set<string> =>
      new Set(checked.filter((event) => event.resolution === resolution).map((event) => event.transactionId));
    const lost = broker.ends.filter(({ dropped }) => dropped);
    expect(lost.map(({ message }) => message.keys[0]).toSorted()).toEqual([...endless].toSorted());
    for (const resolution of ['COMMIT', 'ROLLBACK'] as const) {
      const asked = lost.filter((end) => end.resolution === resolution).map(({ message }) => message.properties['checkback-tx']!);
      expect(asked.length).toBeGreaterThan(0);
      await expect.poll(() => asked.filter((id) => !answered(resolution).has(id)), PATIENCE).toEqual([]);
    }
    const committedTransactions = new Set(Object.values(transactions));
    expect(
      checked.filter(
        ({ resolution, transactionId }) =>
          resolution !== 'UNKNOWN' && (resolution === 'COMMIT') !== committedTransactions.has(transactionId),
      ),
    ).toEqual([]);

    // Published last and paid: what was to be delivered before it has been, or is in the backlog below.
    await publisher.publish(shop.placeOrder, anOrder('order-last'));
    await expect.poll(() => shop.isPaid('order-last'), PATIENCE).toBe(true);
    await expect
      .poll(async () => {
        const [{ acked, inFlight }, stored] = [worker.stats(), await useStack().admin.maxOffset(shop.topic)];
        return { inFlight, unread: Math.max(0, stored - acked) };
      }, PATIENCE)
      .toEqual({ inFlight: 0, unread: 0 });

    const delivered = [...COMMITTED, 'order-last'];
    expect([...new Set(shop.bank.requests.map(({ idempotencyKey }) => idempotencyKey))].toSorted()).toEqual(delivered.toSorted());
    expect([...shop.bank.effects].filter(([, count]) => count !== 1)).toEqual([]);
    expect(await evidence(shop)).toEqual(requestsByKey(shop));
    const em = shop.orm.em.fork();
    const unsettled = await em.find(ExternalCallEntity, { status: { $ne: 'SUCCESS' } });
    expect(unsettled.map(({ idempotencyKey, status, lastErrorCode }) => ({ idempotencyKey, status, lastErrorCode }))).toEqual([]);
    expect(await em.count(ExternalCallEntity)).toBe(delivered.length);
    expect(await em.count(OrderEntity, { status: 'PAID' })).toBe(delivered.length);
    expect(worker.stats()).toMatchObject({ parked: 0, deadLettered: 0, unsettled: 0 });
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  }, 240_000);
});

async function publishAll(
  publisher: TransactionalPublisher,
  shop: Shop,
): Promise<{ rejected: Record<string, unknown>; transactions: Record<string, string> }> {
  const rejected: Record<string, unknown> = {};
  const transactions: Record<string, string> = {};
  const queue = PLANS.values();
  const publishNext = async (): Promise<void> => {
    for (const { id, fails } of queue) {
      const order = anOrder(id, {
        ...(fails === 'declines' ? { amountMinor: 0 } : {}),
        ...(fails === 'throws' ? { customerId: THROWING_CUSTOMER } : {}),
      });
      await publisher.publish(shop.placeOrder, order).then(
        ({ transactionId }) => (transactions[id] = transactionId),
        (error: unknown) => (rejected[id] = error),
      );
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, publishNext));
  return { rejected, transactions };
}

/** How often the bank was asked for each key. */
function requestsByKey({ bank }: Shop): Record<string, { requests: number; snapshots: number }> {
  const counts: Record<string, { requests: number; snapshots: number }> = {};
  for (const { idempotencyKey } of bank.requests) {
    const count = (counts[idempotencyKey] ??= { requests: 0, snapshots: 0 });
    count.requests += 1;
    count.snapshots += 1;
  }
  return counts;
}

/** How many request records and response snapshots there are for each key. */
async function evidence({ orm }: Shop): Promise<Record<string, { requests: number; snapshots: number }>> {
  const rows: { id: string; requests: number | string; snapshots: number | string }[] = await orm.em.getConnection().execute(
    `select c.idempotency_key as id, count(a.id) as requests, count(r.id) as snapshots
     from external_call c
     left join external_call_attempt a on a.call_id = c.id
     left join external_call_response r on r.call_id = a.call_id and r.attempt = a.attempt
     group by c.idempotency_key`,
  );
  return Object.fromEntries(rows.map(({ id, requests, snapshots }) => [id, { requests: Number(requests), snapshots: Number(snapshots) }]));
}
