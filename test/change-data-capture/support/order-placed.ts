import type { PlaceOrder } from '../../../listeners/index.ts';
import { type Order, OrderEntity } from '../../../schema/index.ts';
import { type AnyRowMessage, defineRowMessage } from '../../../src/change-data-capture/row-message.ts';
import type { TransactionListener } from '../../../src/index.ts';

/** The message of an order's row. Imports nothing of vitest: child processes use it too. */
export const orderPlaced = (listener: TransactionListener<PlaceOrder>): AnyRowMessage =>
  defineRowMessage({
    listener,
    entity: OrderEntity,
    inputOf: (row: Order) => ({
      orderId: row.id,
      customerId: row.customerId,
      amountMinor: Number(row.amountMinor),
      currency: row.currency,
    }),
    idsOf: ({ transactionId }) => ({ transactionId }),
  });
