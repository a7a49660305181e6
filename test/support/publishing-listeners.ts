import { type PlaceOrder, chargeAtBank, chargePayment, placeOrder } from '../../listeners/index.ts';
import { OrderEntity } from '../../schema/index.ts';
import {
  type AnyMessageListener,
  type TransactionListener,
  defineExternalCall,
  defineMessageListener,
  defineTransactionListener,
  rowExists,
} from '../../src/index.ts';

/** The customer whose orders make `execute` throw after the row is written. */
export const THROWING_CUSTOMER = 'throws';

/** On a busy machine the bank in the test's own process may be slow to answer; that is not UNKNOWN's fault. */
const patientCharge = defineExternalCall({
  name: chargeAtBank.name,
  origin: chargeAtBank.origin,
  method: 'POST',
  path: '/payments',
  body: (charge: { orderId: string; amountMinor: number; currency: string }) => charge,
  timeouts: { connectMs: 10_000, writeMs: 10_000, readMs: 15_000, totalMs: 20_000 },
  statusCheck: chargeAtBank.statusCheck!,
});

type Execute = NonNullable<TransactionListener<PlaceOrder>['execute']>;

/** The worked example on a topic and a group of its own. Imports nothing of vitest: child processes use it too. */
export function shopListeners(
  topic: string,
  group: string,
): { placeOrder: TransactionListener<PlaceOrder>; chargePayment: AnyMessageListener } {
  return {
    placeOrder: placeOrderOn(topic),
    chargePayment: defineMessageListener({ ...chargePayment, topic, group, call: patientCharge }),
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
      const decision = await placeOrder.execute!(em, order, context);
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
