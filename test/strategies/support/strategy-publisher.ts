import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import type { PlaceOrder } from '../../../listeners/index.ts';
import {
  type PublishStrategy,
  type TransactionListener,
  TransactionalPublisher,
  defineRowMessage,
  defineTransactionListener,
  mysqlTransactionDatabase,
  rowExists,
} from '../../../src/index.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../../schema/engine.ts';
import { type CarrierConfig, composeCarrier } from '../../../src/cli/compose-carrier.ts';
import { silentLogger } from '../../../src/shared/logger.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { placeOrderOn } from '../../support/publishing-listeners.ts';

/** Where a publisher of one strategy works. A process can be told of it in JSON. */
export interface StrategyPlace {
  readonly strategy: PublishStrategy;
  readonly endpoints: string;
  readonly databaseUrl: string;
  readonly topic: string;
  /** For the strategy that keeps a log on disk. */
  readonly directory: string;
}

export interface StrategyPublisher extends AsyncDisposable {
  readonly publisher: TransactionalPublisher;
  readonly placeOrder: TransactionListener<PlaceOrder>;
}

const PATIENT_MS = 30_000;

/** A publisher as a configuration of this strategy composes it, with whoever sends its messages. Disposing closes it in order. */
export async function startStrategyPublisher(place: StrategyPlace): Promise<StrategyPublisher> {
  const { strategy, endpoints, databaseUrl, topic, directory } = place;
  await using resources = new AsyncDisposableStack();
  const orm = resources.adopt(
    await openOrm({
      url: databaseUrl,
      entities: [...ENGINE_ENTITIES, OrderEntity],
      migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
      poolSize: 20,
    }),
    (opened) => opened.close(true),
  );
  const placeOrder = defineTransactionListener<PlaceOrder>({
    topic,
    tag: 'placed',
    // One key for all orders of a customer: what is told of order is told of these.
    keys: (order) => [order.customerId],
    lookup: rowExists(OrderEntity, ({ transactionId }) => ({ transactionId })),
    execute: placeOrderOn(topic).execute!,
  });
  const rowMessage = defineRowMessage({
    listener: placeOrder,
    entity: OrderEntity,
    inputOf: ({ id: orderId, customerId, amountMinor, currency }): PlaceOrder => ({
      orderId,
      customerId,
      amountMinor: Number(amountMinor),
      currency,
    }),
    idsOf: ({ transactionId }) => ({ transactionId }),
  });
  const config: CarrierConfig = {
    owner: 'shop',
    strategy,
    endpoints,
    changeDataCapture: { rowMessages: [rowMessage], from: 'now', standbyMs: 200, maxRetryMs: 1_000 },
    segmentedLog: { directory, onAppendFailure: 'report', drainLimits: { maxRetryMs: 1_000 } },
    outbox: { maxRetryMs: 1_000, leaseMs: 3_000 },
  };
  const carrier = resources.adopt(composeCarrier(config, orm, silentLogger), (composed) => composed.close(10_000));
  const publisher = resources.adopt(
    await TransactionalPublisher.start({
      owner: 'shop',
      ...carrier.part,
      database: mysqlTransactionDatabase(orm),
      listeners: [placeOrder],
      connectionTimeoutMs: PATIENT_MS,
    }),
    (started) => started.close(10_000),
  );
  const owned = resources.move();
  return { publisher, placeOrder, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
