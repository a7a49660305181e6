import { defineTransactionListener, rowExists } from '../src/index.ts';
import { OrderEntity } from '../schema/index.ts';

export interface PlaceOrder {
  readonly orderId: string;
  readonly customerId: string;
  /** Integer minor units (cents). */
  readonly amountMinor: number;
  readonly currency: string;
}

/** An order is placed: its row and the message that gets it paid are one decision. */
export const placeOrder = defineTransactionListener<PlaceOrder>({
  topic: 'orders',
  tag: 'placed',
  keys: (order) => [order.orderId],
  // How the broker's question "what became of this?" is answered, days later and by another process if need be.
  lookup: rowExists(OrderEntity, (half) => ({ transactionId: half.transactionId })),
  async execute(em, order, { transactionId }) {
    if (order.amountMinor <= 0) return 'ROLLBACK';
    em.create(OrderEntity, {
      id: order.orderId,
      transactionId,
      customerId: order.customerId,
      amountMinor: BigInt(order.amountMinor),
      currency: order.currency,
      status: 'PLACED',
    });
    return 'COMMIT';
  },
});
