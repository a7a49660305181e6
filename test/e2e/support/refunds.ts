import { rocketmq } from '../../../src/index.ts';
import { type Deliveries, collectDeliveries } from '../../faults/support/deliveries.ts';
import { anOrder } from '../../support/publishing-listeners.ts';
import { PATIENT_MS, type Shop, openShop } from '../../support/publishing-shop.ts';
import { createGroup, createTopic } from '../../support/stack.ts';
import { type WorkerPool, openWorkerPool } from './worker-pool.ts';

/** Where the payment of an order stands: all there is in the database about it. */
export interface Standing {
  readonly call: string;
  readonly order: string;
  /** How often `onFail` has written. */
  readonly rejections: number;
  /** How often the refund was kept. */
  readonly refunds: number;
}

/** A shop whose refused payments publish refunds, and its workers. */
export interface RefundShop extends AsyncDisposable {
  readonly shop: Shop;
  readonly pool: WorkerPool;
  place(orderId: string): Promise<void>;
  standing(): Promise<Record<string, Standing>>;
  /** Every refund message there is, seen by a consumer group of its own. */
  readonly delivered: Deliveries;
  /** How many different refund messages were delivered for each order. */
  messages(): Record<string, number>;
}

const CONFIG = 'test/e2e/support/compensation.config.ts';

export async function openRefundShop(): Promise<RefundShop> {
  const shop = await openShop('refunds');
  try {
    const [refunds, refundGroup, watchers] = await Promise.all([
      createTopic('TRANSACTION'),
      createGroup({ retryMaxTimes: 16 }),
      createGroup(),
    ]);
    const rows = (sql: string): Promise<Record<string, unknown>[]> => shop.orm.em.getConnection().execute(sql);
    for (const table of ['rejection', 'refund'])
      await rows(`create table ${table} (id int auto_increment primary key, order_id varchar(64) not null)`);
    const publisher = await shop.startPublisher();
    const consumer = await rocketmq({ endpoints: shop.endpoints, requestTimeoutMs: PATIENT_MS }).startConsumer({
      topic: refunds,
      group: watchers,
      longPollMs: 5_000,
    });
    shop.use({ [Symbol.asyncDispose]: () => consumer.close() });
    const delivered = shop.use(collectDeliveries(consumer));
    return {
      shop,
      delivered,
      pool: openWorkerPool(shop, CONFIG, { CHECKBACK_TEST_REFUNDS: refunds, CHECKBACK_TEST_REFUND_GROUP: refundGroup }),
      place: async (orderId) => void (await publisher.publish(shop.placeOrder, anOrder(orderId))),
      standing: async () => {
        const found = await rows(
          `select o.id, coalesce(c.status, '') as c, o.status as o,
             (select count(*) from rejection r where r.order_id = o.id) as rejections,
             (select count(*) from refund r where r.order_id = o.id) as refunds
           from orders o left join external_call c on c.idempotency_key = o.id and c.call_name = 'charge-payment' order by o.id`,
        );
        return Object.fromEntries(
          found.map((row) => [
            row['id'],
            { call: row['c'], order: row['o'], rejections: Number(row['rejections']), refunds: Number(row['refunds']) },
          ]),
        ) as Record<string, Standing>;
      },
      messages: () => {
        const transactions = Map.groupBy(delivered.orders, ({ orderId }) => orderId);
        return Object.fromEntries(
          [...transactions].map(([orderId, all]) => [orderId, new Set(all.map(({ transactionId }) => transactionId)).size]),
        );
      },
      [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose](),
    };
  } catch (error) {
    await shop[Symbol.asyncDispose]();
    throw error;
  }
}
