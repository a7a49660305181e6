import type { ReceivedMessage } from '../../../src/broker/message.ts';
import { callOf } from '../../../src/dead-letter/call-of-message.ts';
import { defineExternalCall } from '../../../src/gateway/external-call.ts';
import { decodeMessage } from '../../../src/worker/decode-message.ts';
import { type AnyMessageListener, defineMessageListener } from '../../../src/worker/message-listener.ts';

export const received = (changes: Partial<ReceivedMessage> = {}): ReceivedMessage => ({
  topic: 'orders',
  tag: 'placed',
  keys: ['order-1'],
  properties: { 'checkback-tx': 'tx-1', 'checkback-listener': 'place-order', 'checkback-correlation-id': 'correlation-1' },
  body: Buffer.from('{"orderId":"order-1"}'),
  messageId: 'm1',
  deliveryAttempt: 16,
  bornAt: new Date('2026-01-01T00:00:00Z'),
  ...changes,
});

/** A listener with a call that can be asked after, unless told otherwise. */
export const charge = (canBeAsked = true): AnyMessageListener =>
  defineMessageListener<{ orderId: string }, string>({
    name: 'charge',
    topic: 'orders',
    group: 'payments',
    call: defineExternalCall<string>({
      name: 'charge-payment',
      origin: 'bank',
      method: 'POST',
      path: '/payments',
      ...(canBeAsked ? { statusCheck: { path: () => '/payments', interpret: () => undefined } } : {}),
    }),
    input: ({ payload }) => payload.orderId,
    idempotencyKey: ({ payload }) => payload.orderId,
  });

export const knowing = (...listeners: AnyMessageListener[]) => callOf(listeners, decodeMessage);
