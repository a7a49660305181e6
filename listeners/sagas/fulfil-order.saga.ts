import { OrderEntity } from '../../schema/index.ts';
import { defineSaga } from '../../src/index.ts';
import type { PlaceOrder } from '../place-order.transaction.ts';
import { type Receipt, callTo } from './institutions.ts';

const keep = ({ paymentId }: Receipt): { readonly number: string } => ({ number: paymentId });

/**
 * A placed order is fulfilled: stock reserved at the warehouse, payment charged at the bank, shipment booked with the
 * carrier. When one of them refuses, everything before it is undone, the last first; the order is REJECTED then, and
 * PAID otherwise. Whatever crashes or goes unanswered in between, each request is made once.
 */
export const fulfilOrder = defineSaga<PlaceOrder>({ name: 'fulfil-order' })
  .step({
    name: 'order',
    // Placed already; here is what becomes of it when everything else has been undone.
    action: () => {},
    compensation: async (em, { input }) => void (await em.nativeUpdate(OrderEntity, { id: input.orderId }, { status: 'REJECTED' })),
  })
  .step({
    name: 'stock',
    action: { call: callTo('warehouse', 'reserve-stock'), input: ({ input }) => input, result: keep },
    compensation: {
      call: callTo('warehouse', 'release-stock'),
      input: ({ input, results }) => ({ ...input, orderId: results.stock.number }),
    },
  })
  .step({
    name: 'payment',
    action: { call: callTo('bank', 'charge-order'), input: ({ input }) => input, result: keep },
    compensation: {
      call: callTo('bank', 'refund-order'),
      input: ({ input, results }) => ({ ...input, orderId: results.payment.number }),
    },
  })
  .step({ name: 'shipment', action: { call: callTo('carrier', 'book-shipment'), input: ({ input }) => input } })
  .step({
    name: 'confirm',
    action: async (em, { input }) => void (await em.nativeUpdate(OrderEntity, { id: input.orderId }, { status: 'PAID' })),
  });
