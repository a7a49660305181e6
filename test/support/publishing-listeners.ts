import { type PlaceOrder, chargePayment, placeOrder } from '../../listeners/index.ts';
import { OrderEntity } from '../../schema/index.ts';
import {
  type AnyMessageListener,
  type TransactionListener,
  defineMessageListener,
  defineTransactionListener,
  rowExists,
} from '../../src/index.ts';

/** The customer whose orders make `execute` throw after the row is written. */
export const THROWING_CUSTOMER = 'throws';

type Execute = TransactionListener<PlaceOrder>['execute'];

/** The worked example on a topic and a group of its own. Imports nothing of vitest: child processes use it too. */
export function shopListeners(
  topic: string,
  group: string,
): { placeOrder: TransactionListener<PlaceOrder>; chargePayment: AnyMessageListener } {
  return {
    placeOrder: placeOrderOn(topic),
    chargePayment: defineMessageListener({ ...chargePayment, topic, group }),
  };
}

/** `placeOrder` with another topic, and with another `execute` around its own. */
export function placeOrderOn(topic: string, wrap: (execute: Execute) => Execute = (execute) => execute): TransactionListener<PlaceOrder> {
  return defineTransactionListener<PlaceOrder>({
    topic,
    tag: 'placed',
    keys: (order) => [order.orderId],
    lookup: rowExists(OrderEntity, ({ transactionId }) => ({ transactionId })),
    execute: wrap(async (em, order, context) => {
      const decision = await placeOrder.execute(em, order, context);
      if (order.customerId !== THROWING_CUSTOMER) return decision;
      await em.flush();
      throw new Error(`${order.orderId} fails after its row is written`);
    }),
  });
}

/** An order that the local transaction takes, unless `changes` say otherwise. */
export function anOrder(orderId: string, changes: Partial<PlaceOrder> = {}): PlaceOrder {
  return { orderId, customerId: 'customer-1', amountMinor: 4_200, currency: 'EUR', ...changes };
}
