import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OrderEntity } from '../../schema/index.ts';
import {
  commitWith,
  defineTransactionListener,
  type HalfMode,
  rocketmq,
  rowExists,
  TransactionalPublisher,
  transactionMarker,
} from '../../src/index.ts';
import { sqliteTransactionDatabase } from '../../src/store/sqlite-transaction-database.ts';
import { EmbeddedBroker } from '../../src/testing.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';

interface Place {
  readonly id: string;
  readonly isFaulty?: boolean;
}

const listenerOf = (
  half: HalfMode,
  lookup = rowExists(OrderEntity, ({ transactionId }) => ({ transactionId })) as
    | ReturnType<typeof transactionMarker>
    | ReturnType<typeof rowExists>,
) =>
  defineTransactionListener<Place>({
    name: `${half}-${lookup.kind}`,
    topic: 'orders',
    tag: 'placed',
    lookup,
    half,
    async execute(em, { id, isFaulty }, { transactionId }) {
      em.create(OrderEntity, { id, transactionId, customerId: 'c', amountMinor: 1n, currency: 'EUR', status: 'PLACED' });
      if (isFaulty) throw new Error('refused');
      return half === 'beforeCommit' ? commitWith({ id }) : 'COMMIT';
    },
  });

/** As a user's own test: the embedded broker and a file, nothing else. */
describe('A publisher on the embedded broker and a SQLite file', () => {
  let home: TestSqlite;
  let broker: EmbeddedBroker;
  beforeEach(async () => {
    home = await createSqlite();
    broker = await EmbeddedBroker.start({
      file: join(home.path, '..', 'broker.journal'),
      topics: { orders: 'TRANSACTION' },
      groups: { readers: {} },
      settings: {
        transactionTimeOutMs: 300,
        transactionCheckIntervalMs: 200,
        opBatchIntervalMs: 50,
        minInvisibleMs: 1_000,
        minLongPollMs: 500,
      },
    });
  });
  afterEach(async () => {
    await broker.close();
    await home.drop();
  });

  it.each([
    ['rowExists, half first', listenerOf('first')],
    ['rowExists, half overlapped', listenerOf('overlapped')],
    ['rowExists, half before COMMIT', listenerOf('beforeCommit')],
    ['transactionMarker, half first', listenerOf('first', transactionMarker())],
    ['transactionMarker, half before COMMIT', listenerOf('beforeCommit', transactionMarker())],
  ])('delivers what committed and nothing else, though every END is lost: %s', async (_name, listener) => {
    const orm = await home.open();
    broker.faults.loseEnds(({ isAnswer }) => !isAnswer);
    const publisher = await TransactionalPublisher.start({
      owner: 'shop',
      broker: rocketmq({ endpoints: broker.endpoints }),
      database: sqliteTransactionDatabase(orm),
      listeners: [listener],
    });
    const consumer = await rocketmq({ endpoints: broker.endpoints }).startConsumer({ topic: 'orders', group: 'readers', longPollMs: 500 });
    try {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) => publisher.publish(listener, { id: `o-${n}`, isFaulty: n % 4 === 0 })),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map((_, n) => (n % 4 === 0 ? 'rejected' : 'fulfilled')));
      const placed = (await orm.em.fork().findAll(OrderEntity)).map(({ id }) => id).sort();
      expect(placed).toHaveLength(15);
      const delivered = new Set<string>();
      await expect
        .poll(
          async () => {
            for (const delivery of await consumer.receive(32, 10_000)) {
              delivered.add((JSON.parse(Buffer.from(delivery.message.body).toString()) as Place).id);
              await delivery.ack();
            }
            return [...delivered].sort();
          },
          { timeout: 20_000 },
        )
        .toEqual(placed);
    } finally {
      await consumer.close();
      await publisher.close();
    }
  });
});
