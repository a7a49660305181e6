import { describe, expect, it } from 'vitest';
import { LocalTransactionError } from '../../src/errors.ts';
import type { Consumer } from '../../src/index.ts';
import { onOutboxEvent } from '../../src/outbox/diagnostics.ts';
import { mysqlOutbox } from '../../src/store/mysql-outbox.ts';
import { sqlIn } from '../support/execute-in.ts';
import { THROWING_CUSTOMER, anOrder } from '../support/publishing-listeners.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { outboxMessage } from './support/messages.ts';
import { openOutboxShop, type OutboxShop } from './support/outbox-shop.ts';
import type { RelayChild } from './support/relay.child.ts';

const PATIENCE = { timeout: 60_000, interval: 200 };

/** Receives until `isEnough`; each delivery with its keys, in the order it came. */
async function deliveries(
  consumer: Consumer,
  isEnough: (keys: readonly string[]) => boolean,
): Promise<{ key: string; id: string; attempt: number }[]> {
  const received: { key: string; id: string; attempt: number }[] = [];
  const patience = AbortSignal.timeout(90_000);
  while (!isEnough(received.map(({ key }) => key))) {
    patience.throwIfAborted();
    for (const delivery of await consumer.receive(32, 30_000, patience)) {
      const { keys, properties, deliveryAttempt } = delivery.message;
      received.push({ key: keys[0]!, id: properties['checkback-correlation-id']!, attempt: deliveryAttempt });
      await delivery.ack();
    }
  }
  return received;
}

const settle = async (shop: OutboxShop): Promise<void> => {
  await expect.poll(() => shop.store.backlog(), PATIENCE).toMatchObject({ waiting: 0 });
};

describe('pollingOutbox', () => {
  it('takes orders while the broker is down, and delivers them when it is back', async () => {
    await using shop = await openOutboxShop('outbox_down');
    const [host = '', port = ''] = shop.endpoints.split(':');
    await using wire = await startTcpProxy({ host, port: Number(port) });
    await wire.refuse();
    const failures: unknown[] = [];
    const off = onOutboxEvent('failed', (event) => failures.push(event));
    const relay = shop.startRelay({ endpoints: `${wire.host}:${wire.port}`, maxRetryMs: 1_000 });
    const ids = Array.from({ length: 20 }, (_, index) => `order-${index}`);
    for (const id of ids) await shop.publisher.publish(shop.placeOrder, anOrder(id));
    await expect.poll(() => failures.length, PATIENCE).toBeGreaterThan(0);
    off();
    expect(await shop.store.backlog()).toMatchObject({ waiting: 20, parked: 0 });
    expect(relay.stats()).toMatchObject({ sent: 0 });

    await wire.pass();
    const consumer = await shop.startConsumer();
    const received = await deliveries(consumer, (keys) => new Set(keys).size === ids.length);
    expect([...new Set(received.map(({ key }) => key))].toSorted()).toEqual(ids.toSorted());
    await settle(shop);
  });

  it('delivers exactly what committed of a thousand orders, one in ten rolled back, with two relays', async () => {
    await using shop = await openOutboxShop('outbox_thousand');
    const [first, second] = [shop.startRelay({ name: 'first', batch: 50 }), shop.startRelay({ name: 'second', batch: 50 })];
    const ids = Array.from({ length: 1_000 }, (_, index) => `order-${index}`);
    const isFailing = (id: string): boolean => Number(id.slice(6)) % 10 === 3;
    const rejected: unknown[] = [];
    const queue = ids.values();
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (const id of queue)
          await shop.publisher
            .publish(shop.placeOrder, anOrder(id, isFailing(id) ? { customerId: THROWING_CUSTOMER } : {}))
            .catch((error: unknown) => rejected.push(error));
      }),
    );
    const committed = ids.filter((id) => !isFailing(id)).toSorted();
    expect(rejected).toHaveLength(100);
    expect(rejected.every((error) => error instanceof LocalTransactionError)).toBe(true);
    expect(await shop.orderIds()).toEqual(committed);

    await settle(shop);
    await shop.publisher.publish(shop.placeOrder, anOrder('last'));
    const received = await deliveries(await shop.startConsumer(), (keys) => keys.includes('last') && new Set(keys).size > committed.length);
    expect([...new Set(received.map(({ key }) => key))].toSorted()).toEqual([...committed, 'last'].toSorted());
    await settle(shop);
    const [one, two] = [first.stats(), second.stats()];
    expect(one.sent + two.sent).toBe(committed.length + 1);
    expect(one.leasesLost + two.leasesLost + one.parked + two.parked).toBe(0);
  });

  it('sends again what a relay killed between the send and its mark had sent, and loses nothing', async () => {
    await using shop = await openOutboxShop('outbox_killed');
    const ids = ['order-0', 'order-1', 'order-2'];
    for (const id of ids) await shop.publisher.publish(shop.placeOrder, anOrder(id), { correlationId: id });
    const doomed: RelayChild = {
      endpoints: shop.endpoints,
      databaseUrl: shop.databaseUrl,
      name: 'doomed',
      leaseMs: 3_000,
      batch: 1,
      diesAfter: 1,
    };
    await using child = startProcess<{ sent: number }>('test/outbox/support/relay.child.ts', [JSON.stringify(doomed)]);
    const { how, reports, stderr } = await child.ended;
    expect(how, stderr).toBe('SIGKILL');
    expect(reports).toHaveLength(1);
    expect(await shop.store.backlog()).toMatchObject({ waiting: 3 });

    const heir = shop.startRelay({ name: 'heir' });
    const received = await deliveries(
      await shop.startConsumer(),
      (keys) => ids.every((id) => keys.includes(id)) && keys.length >= ids.length + 1,
    );
    const counts = Object.fromEntries(ids.map((id) => [id, received.filter(({ key }) => key === id).length]));
    expect(counts).toEqual({ 'order-0': 2, 'order-1': 1, 'order-2': 1 });
    expect(received.every(({ attempt }) => attempt === 1)).toBe(true);
    await settle(shop);
    expect(heir.stats().sent).toBe(3);
  });

  it('keeps the order of each key with two relays in two processes, one of them killed on the way', async () => {
    await using shop = await openOutboxShop('outbox_order', { queues: 1 });
    const keys = Array.from({ length: 8 }, (_, index) => `key-${index}`);
    const rounds = 25;
    const relay = { endpoints: shop.endpoints, databaseUrl: shop.databaseUrl, batch: 10, leaseMs: 2_000 };
    const start = (child: Partial<RelayChild> & Pick<RelayChild, 'name'>) =>
      startProcess('test/outbox/support/relay.child.ts', [JSON.stringify({ ...relay, ...child })]);
    await writeRounds(shop, keys, 0, 12);
    await using killed = start({ name: 'killed', diesAfter: 5 });
    const { how, stderr } = await killed.ended;
    expect(how, stderr).toBe('SIGKILL');
    await using other = start({ name: 'other' });
    await expect.poll(() => other.reports.length, PATIENCE).toBeGreaterThan(0);
    const here = shop.startRelay({ name: 'here', batch: 10, leaseMs: 2_000 });
    await writeRounds(shop, keys, 12, rounds);
    await settle(shop);
    expect(here.stats().sent).toBeGreaterThan(0);

    const consumer = await shop.startConsumer();
    const wanted = keys.length * rounds;
    const seen = new Map<string, number[]>();
    const ids = new Set<string>();
    const patience = AbortSignal.timeout(90_000);
    while (ids.size < wanted) {
      patience.throwIfAborted();
      for (const delivery of await consumer.receive(32, 30_000, patience)) {
        const {
          keys: [key],
          properties,
        } = delivery.message;
        const { 'checkback-correlation-id': id } = properties;
        // A message that is sent twice comes again; its first time counts.
        if (!ids.has(id!)) seen.set(key!, [...(seen.get(key!) ?? []), Number(id!.split('/')[1])]);
        ids.add(id!);
        await delivery.ack();
      }
    }
    for (const key of keys) expect(seen.get(key), key).toEqual(Array.from({ length: rounds }, (_, round) => round));
  });
});

/** Messages of the same keys again and again, each round one transaction of its own. */
async function writeRounds(shop: OutboxShop, keys: readonly string[], from: number, to: number): Promise<void> {
  const outbox = mysqlOutbox(shop.orm);
  for (let round = from; round < to; round += 1) {
    for (const key of keys) {
      const message = outboxMessage(key, { topic: shop.topic });
      const properties = { ...message.properties, 'checkback-correlation-id': `${key}/${round}` };
      await shop.orm.em.fork().transactional((em) => outbox.write(sqlIn(em), [{ ...message, properties }]));
    }
  }
}
