import { type Order, OrderEntity } from '../../schema/index.ts';
import { defineMessageSource, originalMessage } from '../../src/index.ts';
import { chargePayment } from '../charge-payment.listener.ts';
import { placeOrder } from '../place-order.transaction.ts';

/**
 * A placed order says all that its message said. So a payment whose worker died with the only copy can be settled, and an
 * order whose message never came is published again.
 */
export const orderPayments = defineMessageSource<Order>({
  name: 'order-payments',
  listener: chargePayment,
  entity: OrderEntity,
  rowOf: (em, { idempotencyKey }) => em.findOne(OrderEntity, { id: idempotencyKey }),
  messageOf: ({ id, transactionId, customerId, amountMinor, currency }) =>
    originalMessage(placeOrder, { orderId: id, customerId, amountMinor: Number(amountMinor), currency }, { transactionId }),
  // PLACED for a quarter of an hour, and nobody has even tried to charge it.
  delivery: { where: { status: 'PLACED' }, writtenAt: 'createdAt' },
});
