import { OrderEntity } from '../schema/index.ts';
import { defineExternalCall, defineMessageListener } from '../src/index.ts';
import type { PlaceOrder } from './place-order.transaction.ts';

interface Charge {
  readonly orderId: string;
  readonly amountMinor: number;
  readonly currency: string;
}

/** The bank's side of it. `bank` is the name of an origin in the configuration, never an address from a message. */
export const chargeAtBank = defineExternalCall<Charge>({
  name: 'charge-payment',
  origin: 'bank',
  method: 'POST',
  path: '/payments',
  body: (charge) => charge,
  timeouts: { connectMs: 1_000, readMs: 3_000, totalMs: 8_000 },
  // When nobody knows whether the money moved, the bank does. Asked after five minutes, then ever less often, for a day.
  statusCheck: {
    path: (_charge, idempotencyKey) => `/payments/${encodeURIComponent(idempotencyKey)}`,
    interpret: ({ httpStatus, response }) => {
      const said = (response as { readonly status?: unknown } | undefined)?.status;
      if (httpStatus === 200 && said === 'ACCEPTED') return { status: 'SUCCESS', response };
      if (httpStatus === 200 && said === 'REJECTED') return { status: 'FAIL', response };
      // The bank's own word for it: a bare 404 may come from a wrong path or a proxy.
      return httpStatus === 404 && said === 'ABSENT' ? { status: 'ABSENT' } : undefined;
    },
  },
});

/** A placed order is charged once, whatever is delivered how often; the bank's answer and the order's status are one transaction. */
export const chargePayment = defineMessageListener<PlaceOrder, Charge>({
  name: 'charge-payment',
  topic: 'orders',
  tag: 'placed',
  group: 'payment-workers',
  call: chargeAtBank,
  idempotencyKey: ({ payload }) => payload.orderId,
  input: ({ payload: { orderId, amountMinor, currency } }) => ({ orderId, amountMinor, currency }),
  async onSuccess(em, { message }) {
    await em.nativeUpdate(OrderEntity, { id: message.payload.orderId }, { status: 'PAID' });
  },
  async onFail(em, { message }) {
    await em.nativeUpdate(OrderEntity, { id: message.payload.orderId }, { status: 'REJECTED' });
  },
});
