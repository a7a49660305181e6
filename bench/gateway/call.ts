import { defineExternalCall } from '../../src/gateway/external-call.ts';

/** The payment every variant makes. */
export const PAYMENT = { orderId: 'order-1', amountMinor: 1250, currency: 'EUR' };

/** Headers the gateway sends, for whoever calls without it. */
export const headersFor = (key: string): Record<string, string> => ({
  'content-type': 'application/json',
  accept: 'application/json',
  'user-agent': 'checkback',
  'accept-encoding': 'identity',
  'idempotency-key': key,
  'x-correlation-id': key,
});

export const payOrder = defineExternalCall<typeof PAYMENT, { status: string }>({
  name: 'pay-order',
  origin: 'bank',
  method: 'POST',
  path: '/payments',
  body: (input) => input,
});

let last = 0;
/** A key no call had before, in this run or another. */
export const freshKey = (): string => `${process.pid}-${Date.now().toString(36)}-${(last += 1)}`;
