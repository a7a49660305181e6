import { type ListenerMessage, defineMessageListener, startingSaga } from '../../src/index.ts';
import type { PlaceOrder } from '../place-order.transaction.ts';
import { fulfilOrder } from './fulfil-order.saga.ts';

/** A placed order starts its saga, once however often it is delivered. In the place of `charge-payment`, not beside it. */
export const fulfilPlacedOrder = defineMessageListener<PlaceOrder>({
  name: 'fulfil-placed-order',
  topic: 'orders',
  tag: 'placed',
  group: 'fulfilment-workers',
  idempotencyKey: ({ payload }) => payload.orderId,
  handle: startingSaga(fulfilOrder, ({ payload }: ListenerMessage<PlaceOrder>) => ({ id: `order-${payload.orderId}`, input: payload })),
});
