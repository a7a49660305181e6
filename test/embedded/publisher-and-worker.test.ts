import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import {
  defineMessageListener,
  defineTransactionListener,
  rocketmq,
  rowExists,
  startWorker,
  TransactionalPublisher,
} from '../../src/index.ts';
import { EmbeddedBroker, ManualClock } from '../../src/testing.ts';
import { ScriptedDatabase } from '../support/fake-transactions.ts';

interface Order {
  id: string;
}

const eventually = <T>(attempt: () => T | Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 20_000, interval: 10 });

const placeOrder = defineTransactionListener<Order>({
  name: 'place-order',
  topic: 'orders',
  tag: 'placed',
  lookup: rowExists(class {} as never, ({ transactionId }) => ({ transactionId })),
  schema: z.object({ id: z.string() }),
  keys: (order) => [order.id],
  execute: async () => {},
});

describe('A publisher and a worker on an embedded broker whose clock is turned by hand', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  async function shop() {
    const clock = new ManualClock();
    const broker = await EmbeddedBroker.start({ clock, topics: { orders: 'TRANSACTION' }, groups: { payments: { retryMaxTimes: 1 } } });
    cleanups.push(() => broker.close());
    const client = rocketmq({ endpoints: broker.endpoints });
    const database = new ScriptedDatabase([]);
    const publisher = await TransactionalPublisher.start({ owner: 'shop', broker: client, database, listeners: [placeOrder] });
    cleanups.push(() => publisher.close());
    const paid: string[] = [];
    const pay = vi.fn<(order: Order) => void>((order) => void paid.push(order.id));
    const listener = defineMessageListener<Order>({
      name: 'pay',
      topic: 'orders',
      group: 'payments',
      retry: { maxDeliveries: 5, baseMs: 30_000, maxMs: 30_000 },
      process: ({ payload }) => pay(payload),
    });
    const consumer = await client.startConsumer(listener);
    const worker = startWorker({ clock, consumers: [{ listener, consumer }], random: () => 0.999 });
    cleanups.push(() => worker.close());
    return { broker, clock, database, publisher, paid, pay };
  }

  it('delivers an order without any time passing', async () => {
    const { broker, publisher, paid } = await shop();
    await publisher.publish(placeOrder, { id: 'o1' });
    await eventually(() => expect(paid).toEqual(['o1']));
    await eventually(() => expect(broker.inspect.queued('orders', 'payments')).toBe(0));
  });

  it('delivers an order whose END was lost as soon as the check-back is due, and not before', async () => {
    const { broker, clock, database, publisher, paid } = await shop();
    database.answers.push('COMMIT');
    broker.faults.loseNextEnd();
    await publisher.publish(placeOrder, { id: 'o1' });
    await eventually(() => expect(broker.inspect.stats.lostEnds).toBe(1));
    await clock.advance(29_999);
    expect(database.checks).toBe(0);
    expect(paid).toEqual([]);
    await clock.advance(1);
    await eventually(() => expect(paid).toEqual(['o1']));
    expect(broker.inspect.stats).toMatchObject({ checks: 1, commits: 1 });
  });

  it('parks an order nobody can answer for after fifteen rounds, seven and a half minutes later', async () => {
    const { broker, clock, publisher, database } = await shop();
    broker.faults.loseNextEnd();
    await publisher.publish(placeOrder, { id: 'o1' });
    await eventually(() => expect(broker.inspect.stats.lostEnds).toBe(1));
    // Each round takes real time to be answered; the next may come when it was.
    for (let round = 1; round <= 15; round += 1) {
      await clock.advance(30_000);
      await eventually(() => expect(database.checks).toBe(round));
    }
    expect(broker.inspect.parked()).toEqual([]);
    await clock.advance(30_000);
    expect(broker.inspect.parked()).toMatchObject([{ topic: 'orders', keys: ['o1'], rounds: 15 }]);
  });

  it('makes a dead letter of an order that fails at every delivery', async () => {
    const { broker, clock, publisher, pay } = await shop();
    pay.mockImplementation(() => {
      throw new Error('no bank today');
    });
    await publisher.publish(placeOrder, { id: 'o1' });
    await eventually(() => expect(pay).toHaveBeenCalledTimes(1));
    await clock.advance(30_000);
    await eventually(() => expect(pay).toHaveBeenCalledTimes(2));
    await clock.advance(30_000);
    await eventually(() => expect(broker.inspect.deadLetters('payments')).toMatchObject([{ keys: ['o1'] }]));
    expect(broker.inspect.deliveries().map(({ attempt }) => attempt)).toEqual([1, 2]);
  });
});
