import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BinlogPositionEntity,
  ENGINE_ENTITIES,
  ENGINE_MIGRATIONS,
  Migration20260101000000Orders,
  OrderEntity,
} from '../../../schema/index.ts';
import type { PlaceOrder } from '../../../listeners/index.ts';
import { type Consumer, type PublishStrategy, rocketmq } from '../../../src/index.ts';
import type { EmbeddedBroker } from '../../../src/testing.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { createDatabase, createGroup, createTopic, useStack } from '../../support/stack.ts';
import { type StrategyPlace, type StrategyPublisher, startStrategyPublisher } from './strategy-publisher.ts';

const PATIENT_MS = 30_000;

/** One strategy on a database, a topic and a group of its own. Disposing ends all it started, newest first. */
export interface StrategyShop extends AsyncDisposable {
  readonly place: StrategyPlace;
  /** Ready: what is committed from now on is seen. */
  startPublisher(changes?: Partial<StrategyPlace>): Promise<StrategyPublisher>;
  /** Order ids of the rows there are, sorted. */
  orderIds(): Promise<string[]>;
  /** Receives until `isEnough`; the order of each delivery, as they came. */
  receiveUntil(isEnough: (orderIds: ReadonlySet<string>) => boolean): Promise<readonly string[]>;
}

/** On the real broker, or on an embedded one, which can be taken away. */
export async function openStrategyShop(strategy: PublishStrategy, embedded?: EmbeddedBroker): Promise<StrategyShop> {
  await using resources = new AsyncDisposableStack();
  const { endpoints } = embedded ?? useStack();
  const type = strategy === 'halfMessage' ? 'TRANSACTION' : 'NORMAL';
  const [topic, group] = embedded
    ? ['orders', 'payments']
    : await Promise.all([createTopic(type, { queues: 1 }), createGroup({ retryMaxTimes: 16 })]);
  embedded?.createTopic(topic, type, { queues: 1 });
  embedded?.createGroup(group);
  const database = resources.adopt(await createDatabase('guarantees'), (created) => created.drop());
  const directory = resources.adopt(mkdtempSync(join(tmpdir(), 'checkback-guarantees-')), (made) =>
    rmSync(made, { recursive: true, force: true }),
  );
  const place: StrategyPlace = { strategy, endpoints, databaseUrl: database.url, topic, directory };
  const orm = resources.adopt(
    await openOrm({
      url: database.url,
      entities: [...ENGINE_ENTITIES, OrderEntity],
      migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
    }),
    (opened) => opened.close(true),
  );
  await orm.migrator.up();
  let consumer: Consumer | undefined;
  const owned = resources.move();
  return {
    place,
    async startPublisher(changes = {}) {
      const started = owned.use(await startStrategyPublisher({ ...place, ...changes }));
      // Only what is committed after a reader of the binlog has found its first place is a message.
      while (strategy === 'changeDataCapture' && (await orm.em.fork().count(BinlogPositionEntity)) === 0)
        await new Promise((resolve) => setTimeout(resolve, 50));
      return started;
    },
    orderIds: async () => (await orm.em.fork().find(OrderEntity, {}, { fields: ['id'], orderBy: { id: 'asc' } })).map(({ id }) => id),
    async receiveUntil(isEnough) {
      consumer ??= owned.adopt(
        await rocketmq({ endpoints, requestTimeoutMs: PATIENT_MS }).startConsumer({ topic, group, longPollMs: 5_000 }),
        (opened) => opened.close(),
      );
      const received: string[] = [];
      const patience = AbortSignal.timeout(90_000);
      while (!isEnough(new Set(received))) {
        patience.throwIfAborted();
        for (const delivery of await consumer.receive(32, 30_000, patience)) {
          const { orderId } = JSON.parse(Buffer.from(delivery.message.body).toString('utf8')) as PlaceOrder;
          received.push(orderId);
          await delivery.ack();
        }
      }
      return received;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
