import { z } from 'zod';
import { defineExternalCall, type ExternalCallDefinition } from '../../../src/gateway/external-call.ts';

export interface PaymentInput {
  readonly orderId: string;
  readonly amountMinor: number;
  readonly currency: string;
}

export const payment: PaymentInput = { orderId: 'order-1', amountMinor: 1250, currency: 'EUR' };

const Accepted = z.object({ paymentId: z.string(), status: z.literal('ACCEPTED') });

/** The mock bank's payment, patient enough for a busy machine; a test of a time-out brings its own. */
export const payOrder = (overrides: Partial<ExternalCallDefinition<PaymentInput, z.infer<typeof Accepted>>> = {}) =>
  defineExternalCall<PaymentInput, z.infer<typeof Accepted>>({
    name: 'pay-order',
    origin: 'bank',
    method: 'POST',
    path: '/payments',
    body: (input) => input,
    response: Accepted,
    timeouts: { connectMs: 5_000, writeMs: 5_000, readMs: 5_000, totalMs: 10_000 },
    retry: { maxAttempts: 1 },
    ...overrides,
  });
