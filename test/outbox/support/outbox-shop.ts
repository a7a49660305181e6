import type { MikroORM } from '@mikro-orm/mysql';
import type { PlaceOrder } from '../../../listeners/index.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { rocketmqTopicType } from '../../../src/broker/rocketmq/topic-type.ts';
import { type OutboxRelay, startOutboxRelay } from '../../../src/outbox/outbox-relay.ts';
import type { OutboxRelayOptions } from '../../../src/outbox/outbox-relay-options.ts';
import { outboxSender } from '../../../src/outbox/outbox-sender.ts';
import type { OutboxStore } from '../../../src/outbox/outbox-store.ts';
import { type Consumer, type TransactionListener, TransactionalPublisher, mysqlTransactionDatabase, rocketmq } from '../../../src/index.ts';
import { mysqlOutbox } from '../../../src/store/mysql-outbox.ts';
import { mysqlOutboxStore } from '../../../src/store/mysql-outbox-store.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { placeOrderOn } from '../../support/publishing-listeners.ts';
import { createDatabase, createGroup, createTopic, useStack } from '../../support/stack.ts';

const PATIENT_MS = 30_000;

/** Orders published through an outbox into a NORMAL topic, on a database, topic and group of its own. Disposing ends all it started. */
export interface OutboxShop extends AsyncDisposable {
  readonly topic: string;
  readonly databaseUrl: string;
  readonly endpoints: string;
  readonly orm: MikroORM;
  readonly store: OutboxStore;
  readonly placeOrder: TransactionListener<PlaceOrder>;
  readonly publisher: TransactionalPublisher;
  /** In this process, woken by its publisher. */
  startRelay(options?: Partial<OutboxRelayOptions> & { endpoints?: string }): OutboxRelay;
  startConsumer(): Promise<Consumer>;
  orderIds(): Promise<string[]>;
}

export async function openOutboxShop(name: string, { queues }: { readonly queues?: number } = {}): Promise<OutboxShop> {
  const resources = new AsyncDisposableStack();
  try {
    const { endpoints } = useStack();
    const [topic, group] = await Promise.all([
      createTopic('NORMAL', queues === undefined ? {} : { queues }),
      createGroup({ retryMaxTimes: 16 }),
    ]);
    const database = resources.adopt(await createDatabase(name), (created) => created.drop());
    const open = async (poolSize: number): Promise<MikroORM> =>
      resources.adopt(
        await openOrm({
          url: database.url,
          entities: [...ENGINE_ENTITIES, OrderEntity],
          migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
          poolSize,
        }),
        (opened) => opened.close(true),
      );
    const [orm, relayOrm] = [await open(10), await open(10)];
    await orm.migrator.up();
    const placeOrder = placeOrderOn(topic);
    const outbox = mysqlOutbox(orm);
    const publisher = resources.adopt(
      await TransactionalPublisher.start({
        owner: 'shop',
        outbox,
        database: mysqlTransactionDatabase(orm),
        listeners: [placeOrder],
        connectionTimeoutMs: PATIENT_MS,
      }),
      (started) => started.close(),
    );
    const store = mysqlOutboxStore(relayOrm);
    return {
      topic,
      databaseUrl: database.url,
      endpoints,
      orm,
      store,
      placeOrder,
      publisher,
      startRelay({ endpoints: through = endpoints, ...options } = {}) {
        const settings = { endpoints: through, requestTimeoutMs: PATIENT_MS };
        const sender = resources.adopt(
          outboxSender({ ...rocketmq(settings), topicType: (asked) => rocketmqTopicType(settings, asked) }),
          (opened) => opened.close(),
        );
        return resources.adopt(startOutboxRelay({ store, sender, commits: outbox, ...options }), (relay) => relay.close());
      },
      startConsumer: async () =>
        resources.adopt(
          await rocketmq({ endpoints, requestTimeoutMs: PATIENT_MS }).startConsumer({ topic, group, longPollMs: 5_000 }),
          (consumer) => consumer.close(),
        ),
      orderIds: async () => (await orm.em.fork().find(OrderEntity, {}, { fields: ['id'], orderBy: { id: 'asc' } })).map(({ id }) => id),
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}
