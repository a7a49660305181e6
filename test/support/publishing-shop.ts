import type { MikroORM } from '@mikro-orm/mysql';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, ExternalCallEntity, Migration20260101000000Orders, OrderEntity } from '../../schema/index.ts';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import {
  type Consumer,
  TransactionalPublisher,
  type TransactionalPublisherOptions,
  createGateway,
  mysqlTransactionDatabase,
  rocketmq,
  startWorker,
} from '../../src/index.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import type { Worker } from '../../src/worker/worker.ts';
import type { WorkerLimits } from '../../src/worker/worker-options.ts';
import { shopListeners } from './publishing-listeners.ts';
import { type TestDatabase, type TestStack, createDatabase, createGroup, createTopic, useStack } from './stack.ts';

/** What a start, a request and a wait for a connection may take where the test is not about it: the machine may be busy. */
export const PATIENT_MS = 30_000;

/** Where a shop is opened: the shared stack, or a private one. */
export type ShopStack = Pick<TestStack, 'endpoints' | 'mysqlUrl' | 'admin'>;

/** The worked example with a bank, on a database, a topic and a group that no other test has. Disposing ends all it started, newest first. */
export interface Shop extends AsyncDisposable, ReturnType<typeof shopListeners> {
  readonly topic: string;
  readonly group: string;
  readonly endpoints: string;
  readonly database: TestDatabase;
  readonly bank: MockBank;
  /** For assertions; nothing of the system under test runs on it. */
  readonly orm: MikroORM;
  /** What a child process needs to run test/e2e/support/shop.config.ts. */
  readonly env: Readonly<Record<string, string | undefined>>;
  openOrm(options?: { url?: string; poolSize?: number }): Promise<MikroORM>;
  /** On a pool of its own unless `database` is given; patient, unless `options` say otherwise. */
  startPublisher(options?: Partial<TransactionalPublisherOptions> & { poolSize?: number }): Promise<TransactionalPublisher>;
  startWorker(limits?: Partial<WorkerLimits>): Promise<Worker>;
  /** A bare consumer of the shop's topic in its group. */
  startConsumer(): Promise<Consumer>;
  /** Order ids of the rows there are, sorted. */
  orderIds(): Promise<string[]>;
  isPaid(orderId: string): Promise<boolean>;
  /** Ends with the shop. */
  use<Resource extends AsyncDisposable>(resource: Resource): Resource;
}

export async function openShop(name: string, stack: ShopStack = useStack()): Promise<Shop> {
  const resources = new AsyncDisposableStack();
  try {
    const { endpoints, admin } = stack;
    const [topic, group] = await Promise.all([createTopic('TRANSACTION', { admin }), createGroup({ retryMaxTimes: 16, admin })]);
    const database = resources.adopt(await createDatabase(name, stack.mysqlUrl), (created) => created.drop());
    const bank = resources.adopt(await startMockBank(), (started) => started.close());
    const listeners = shopListeners(topic, group);
    const open = async ({ url = database.url, poolSize = 10 } = {}): Promise<MikroORM> => {
      const orm = await openOrm({
        url,
        entities: [...ENGINE_ENTITIES, OrderEntity],
        migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
        poolSize,
      });
      return resources.adopt(orm, (opened) => opened.close(true));
    };
    const orm = await open();
    await orm.migrator.up();
    const startConsumer = async (): Promise<Consumer> =>
      resources.adopt(
        await rocketmq({ endpoints, requestTimeoutMs: PATIENT_MS }).startConsumer({ topic, group, longPollMs: 5_000 }),
        (consumer) => consumer.close(),
      );
    return {
      ...listeners,
      topic,
      group,
      endpoints,
      database,
      bank,
      orm,
      env: {
        ...process.env,
        CHECKBACK_ROCKETMQ_ENDPOINTS: endpoints,
        CHECKBACK_MYSQL_URL: database.url,
        CHECKBACK_ORIGINS: `bank=${bank.origin}`,
        CHECKBACK_TEST_TOPIC: topic,
        CHECKBACK_TEST_GROUP: group,
      },
      openOrm: open,
      async startPublisher({ poolSize, ...options } = {}) {
        const publisher = await TransactionalPublisher.start({
          owner: 'shop',
          broker: rocketmq({ endpoints, requestTimeoutMs: PATIENT_MS }),
          connectionTimeoutMs: PATIENT_MS,
          database: options.database ?? mysqlTransactionDatabase(await open(poolSize === undefined ? {} : { poolSize })),
          listeners: [listeners.placeOrder],
          ...options,
        });
        return resources.adopt(publisher, (started) => started.close());
      },
      async startWorker(limits = {}) {
        const store = mysqlExternalCallStore(await open({ poolSize: 20 }));
        const gateway = resources.adopt(createGateway({ origins: { bank: bank.origin }, store }), (created) => created.close());
        const consumer = await startConsumer();
        const worker = startWorker({ consumers: [{ listener: listeners.chargePayment, consumer }], gateway, ...limits });
        resources.defer(async () => void (await worker.close()));
        return worker;
      },
      startConsumer,
      orderIds: async () => (await orm.em.fork().find(OrderEntity, {}, { fields: ['id'], orderBy: { id: 'asc' } })).map(({ id }) => id),
      async isPaid(orderId) {
        const em = orm.em.fork();
        const [order, call] = await Promise.all([
          em.findOne(OrderEntity, { id: orderId }),
          em.findOne(ExternalCallEntity, { idempotencyKey: orderId }),
        ]);
        return order?.status === 'PAID' && call?.status === 'SUCCESS';
      },
      use: (resource) => resources.use(resource),
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}
