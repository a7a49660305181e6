import { expect } from 'vitest';
import type { PlaceOrder } from '../../../listeners/index.ts';
import type { Consumer, TransactionalPublisher, TransactionListener } from '../../../src/index.ts';
import { anOrder } from '../../support/publishing-listeners.ts';

/** What was delivered: the order, and which transaction it came from. */
export interface DeliveredOrder extends PlaceOrder {
  readonly transactionId: string;
}

/** Receives and acknowledges all there is, from now on until disposed. */
export interface Deliveries extends AsyncDisposable {
  readonly orders: readonly DeliveredOrder[];
  /** Ids of all orders delivered so far, each once. */
  ids(): Set<string>;
  /** Resolves when an order of that id was delivered. */
  until(orderId: string): Promise<void>;
}

/** A broker that is away is no news: it asks again. */
export function collectDeliveries(consumer: Consumer): Deliveries {
  const orders: DeliveredOrder[] = [];
  const stop = new AbortController();
  const receiving = (async () => {
    while (!stop.signal.aborted) {
      const batch = await consumer.receive(32, 10_000, stop.signal).catch(() => []);
      for (const { message, ack } of batch.map((delivery) => ({ message: delivery.message, ack: () => delivery.ack() }))) {
        orders.push({
          ...(JSON.parse(Buffer.from(message.body).toString()) as PlaceOrder),
          transactionId: message.properties['checkback-tx'] ?? '',
        });
        await ack().catch(() => {});
      }
      // A closed port answers at once.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const ids = (): Set<string> => new Set(orders.map(({ orderId }) => orderId));
  return {
    orders,
    ids,
    async until(orderId) {
      const options = { timeout: 60_000, interval: 50, message: `order ${orderId} is delivered` };
      await expect.poll(() => ids().has(orderId), options).toBe(true);
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('no more deliveries wanted'));
      await receiving;
    },
  };
}

let sentinels = 0;

/** Publishes one more order and waits until it is delivered: what was to be delivered before it, without a check-back, has been. */
export async function deliverSentinel(
  publisher: TransactionalPublisher,
  listener: TransactionListener<PlaceOrder>,
  deliveries: Deliveries,
): Promise<void> {
  const orderId = `sentinel-${++sentinels}`;
  await publisher.publish(listener, anOrder(orderId));
  await deliveries.until(orderId);
}

/** What it resolved to, or the error it rejected with. */
export const outcomeOf = <T>(work: Promise<T>): Promise<unknown> => work.catch((error: unknown) => error);
