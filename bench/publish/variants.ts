import { v7 as uuidV7 } from 'uuid';
import { createPool } from 'mysql2/promise';
import { OrderEntity } from '../../schema/index.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import type { RocketmqOptions } from '../../src/broker/rocketmq/options.ts';
import { mysqlTransactionDatabase } from '../../src/store/mysql-transaction-database.ts';
import { TransactionalPublisher } from '../../src/transaction/transactional-publisher.ts';
import type { TransactionListener } from '../../src/transaction/transaction-listener.ts';
import type { Loadable } from '../load/serve-load.ts';
import { type BenchOrder, INSERT_ORDER, nextOrder, openOrderTables } from './orders.ts';
import { ormListener, sqlListener } from './listeners.ts';
import { watchEnds } from './watch-ends.ts';

/** What a child is told. */
export interface PublishRun {
  readonly variant: PublishVariant;
  readonly databaseUrl: string;
  readonly endpoints: string;
  readonly topic: string;
  readonly connections: number;
}

type Open = (run: PublishRun) => Promise<Loadable>;

/** BEGIN, INSERT, COMMIT: what the order costs where nobody has to be told of it. */
const transaction: Open = async ({ databaseUrl, connections }) => {
  const pool = createPool({ uri: databaseUrl, connectionLimit: connections, timezone: 'Z' });
  return {
    order: async () => {
      const { orderId, customerId, amountMinor, currency } = nextOrder();
      const connection = await pool.getConnection();
      try {
        await connection.query('begin');
        await connection.query(INSERT_ORDER, [orderId, uuidV7(), customerId, amountMinor, currency, 'PLACED', new Date()]);
        await connection.query('commit');
      } finally {
        connection.release();
      }
    },
    settle: async () => {},
    close: () => pool.end(),
  };
};

/** The same through MikroORM, as a service without messages would write it. */
const transactionOrm: Open = async ({ databaseUrl, connections }) => {
  const orm = await openOrderTables(databaseUrl, connections);
  return {
    order: async () => {
      const { orderId: id, customerId, amountMinor, currency } = nextOrder();
      const order = { id, transactionId: uuidV7(), customerId, amountMinor: BigInt(amountMinor), currency, status: 'PLACED' as const };
      await orm.em.fork().transactional((em) => {
        em.create(OrderEntity, order);
      });
    },
    settle: async () => {},
    close: () => orm.close(true),
  };
};

/** A half message and its END with nothing between them, by one of the two paths to the broker. */
const half =
  (path: NonNullable<RocketmqOptions['path']>): Open =>
  async ({ endpoints, topic }) => {
    let checks = 0;
    const producer = await rocketmq({ endpoints, path }).startTransactionalProducer({
      topics: [topic],
      checkBack: async () => {
        checks += 1;
        return 'COMMIT';
      },
    });
    return {
      order: async () => {
        const order = nextOrder();
        const id = uuidV7();
        const sent = await producer.sendHalf({
          topic,
          tag: 'placed',
          keys: [order.orderId],
          properties: {
            'checkback-owner': 'bench',
            'checkback-listener': `${topic}:placed`,
            'checkback-tx': id,
            'checkback-correlation-id': id,
            'checkback-lookup': 'rowExists',
            'checkback-version': '1',
          },
          body: Buffer.from(JSON.stringify(order)),
        });
        await sent.end('COMMIT');
      },
      settle: async () => {},
      checks: () => checks,
      close: () => producer.close(),
    };
  };

/** `publish()` with a half message, as a user calls it. */
const publish =
  (listenerOf: (topic: string) => TransactionListener<BenchOrder>): Open =>
  async ({ databaseUrl, endpoints, topic, connections }) => {
    const orm = await openOrderTables(databaseUrl, connections);
    const listener = listenerOf(topic);
    const ends = watchEnds();
    const publisher = await TransactionalPublisher.start({
      owner: 'bench',
      broker: rocketmq({ endpoints }),
      database: mysqlTransactionDatabase(orm),
      listeners: [listener],
      // A floor has no deadline for its connection either.
      connectionTimeoutMs: 30_000,
    });
    return {
      order: () => publisher.publish(listener, nextOrder()),
      settle: ends.settle,
      checks: ends.checks,
      close: async () => {
        await publisher.close();
        await orm.close(true);
      },
    };
  };

/** Every variant by its name: one line each. */
export const VARIANTS = {
  transaction,
  transactionOrm,
  halfOfficial: half('official'),
  halfLean: half('lean'),
  publish: publish((topic) => ormListener(topic, 'first')),
  publishBeforeCommit: publish((topic) => ormListener(topic, 'beforeCommit')),
  publishSql: publish((topic) => sqlListener(topic, 'first')),
  publishSqlBeforeCommit: publish((topic) => sqlListener(topic, 'beforeCommit')),
} satisfies Record<string, Open>;

export type PublishVariant = keyof typeof VARIANTS;
