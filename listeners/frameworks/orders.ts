import type { MikroORM } from '@mikro-orm/mysql';
import { ENGINE_ENTITIES, OrderEntity } from '../../schema/index.ts';
import {
  HalfMessageError,
  DatabaseUnavailableError,
  InvalidMessageError,
  LocalTransactionError,
  TransactionInDoubtError,
  TransactionalPublisher,
  mysqlTransactionDatabase,
  openOrm,
  rocketmq,
  sqliteTransactionDatabase,
} from '../../src/index.ts';
import { type PlaceOrder, placeOrder } from '../place-order.transaction.ts';

/** What a service that takes orders opens once, whatever framework answers its requests. */
export interface Orders {
  readonly orm: MikroORM;
  readonly publisher: TransactionalPublisher;
  /** Finishes what is under way, then disconnects. After the last request was answered. */
  close(): Promise<void>;
}

export async function openOrders({ endpoints, databaseUrl }: { endpoints: string; databaseUrl: string }): Promise<Orders> {
  const orm = await openOrm({ url: databaseUrl, entities: [...ENGINE_ENTITIES, OrderEntity] });
  try {
    const publisher = await TransactionalPublisher.start({
      owner: 'order-service',
      broker: rocketmq({ endpoints }),
      database: databaseUrl.startsWith('sqlite:') ? sqliteTransactionDatabase(orm) : mysqlTransactionDatabase(orm),
      listeners: [placeOrder],
    });
    return {
      orm,
      publisher,
      close: async () => {
        await publisher.close();
        await orm.close(true);
      },
    };
  } catch (error) {
    await orm.close(true);
    throw error;
  }
}

/** An answer in terms of HTTP: what happened to the order, and whether it may be sent again. */
export interface OrderAnswer {
  readonly status: 201 | 202 | 400 | 422 | 500 | 503;
  readonly body: { readonly orderId?: string; readonly status: string };
}

/** Publishes and says what to tell the client. Never rejects. */
export async function answerOrder({ publisher }: Pick<Orders, 'publisher'>, order: PlaceOrder): Promise<OrderAnswer> {
  const orderId = order?.orderId;
  try {
    await publisher.publish(placeOrder, order);
    return { status: 201, body: { orderId, status: 'PLACED' } };
  } catch (error) {
    if (error instanceof InvalidMessageError) return { status: 400, body: { status: 'INVALID' } };
    if (error instanceof LocalTransactionError) return { status: 422, body: { orderId, status: 'REFUSED' } };
    // Whether it committed is not known yet, and the broker will ask: the client must not send it again under a new id.
    if (error instanceof TransactionInDoubtError) return { status: 202, body: { orderId, status: 'PENDING' } };
    // Nothing is committed and nothing will be: the client may try again.
    if (error instanceof HalfMessageError || error instanceof DatabaseUnavailableError)
      return { status: 503, body: { orderId, status: 'TRY AGAIN' } };
    return { status: 500, body: { orderId, status: 'ERROR' } };
  }
}
