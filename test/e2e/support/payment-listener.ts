import { z } from 'zod';
import { defineExternalCall } from '../../../src/gateway/external-call.ts';
import { defineMessageListener } from '../../../src/worker/message-listener.ts';
import { executeIn } from '../../support/execute-in.ts';
import type { HandlingListener, MessageListener } from '../../../src/worker/message-listener.ts';

/** What the messages of these tests carry. */
export interface PaymentOrder {
  readonly orderId: string;
  readonly amountMinor: number;
}

/** A payment at the mock bank. Its total time is short, so that the lease of an abandoned call ends within a test. */
const pay = defineExternalCall<PaymentOrder>({
  name: 'pay',
  origin: 'bank',
  method: 'POST',
  path: '/payments',
  body: ({ orderId, amountMinor }) => ({ orderId, amountMinor, currency: 'EUR' }),
  timeouts: { totalMs: 8_000, readMs: 8_000 },
});

export const paymentListener = (topic: string, group: string): MessageListener<PaymentOrder, PaymentOrder, unknown> =>
  defineMessageListener<PaymentOrder, PaymentOrder>({
    name: 'pay-order',
    topic,
    group,
    payload: { 1: z.object({ orderId: z.string(), amountMinor: z.number() }) },
    call: pay,
    input: ({ payload }) => payload,
    idempotencyKey: ({ payload }) => payload.orderId,
    retry: { baseMs: 200, maxMs: 2_000 },
  });

/** Writes each order into the table `ledger`, in the middle of its transaction calling `block`. */
export const ledgerListener = (topic: string, group: string, block: () => void): HandlingListener<PaymentOrder> =>
  defineMessageListener<PaymentOrder>({
    name: 'keep-ledger',
    topic,
    group,
    idempotencyKey: ({ payload }) => payload.orderId,
    handle: async (em, { payload: { orderId, amountMinor } }) => {
      await executeIn(em, 'insert into ledger (order_id, amount_minor) values (?, ?)', [orderId, amountMinor]);
      block();
    },
    retry: { baseMs: 200, maxMs: 2_000 },
  });
