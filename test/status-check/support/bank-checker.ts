import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { z } from 'zod';
import type { ReceivedMessage } from '../../../src/broker/message.ts';
import { defineExternalCall } from '../../../src/gateway/external-call.ts';
import { createGateway, type Gateway } from '../../../src/gateway/gateway.ts';
import type { StatusCheck } from '../../../src/gateway/status-check.ts';
import type { StatusCheckStore } from '../../../src/status-check/status-check-store.ts';
import type { StatusCheckerOptions } from '../../../src/status-check/status-checker-options.ts';
import { mysqlExternalCallStore } from '../../../src/store/mysql-external-call-store.ts';
import { mysqlStatusCheckStore } from '../../../src/store/mysql-status-check-store.ts';
import { applyOutcome } from '../../../src/worker/apply-outcome.ts';
import { decodeMessage } from '../../../src/worker/decode-message.ts';
import { type AnyMessageListener, defineMessageListener } from '../../../src/worker/message-listener.ts';
import { executeIn } from '../../support/execute-in.ts';

const Payment = z.object({ orderId: z.string(), amountMinor: z.number(), currency: z.string() });
type Payment = z.infer<typeof Payment>;
interface Accepted {
  readonly paymentId: string;
}

/** Pays at the mock bank, leaving one row of `effect` for each onSuccess and onFail. Asks soon and often. */
export const payingListener = (
  statusCheck: Partial<StatusCheck<Payment, Accepted>> = {},
  onSuccess: (em: EntityManager) => Promise<void> = async () => {},
) =>
  defineMessageListener<Payment, Payment, Accepted>({
    name: 'charge-payment',
    topic: 'orders',
    group: 'payments',
    payload: Payment,
    call: defineExternalCall<Payment, Accepted>({
      name: 'charge',
      origin: 'bank',
      method: 'POST',
      path: '/payments',
      body: (payment) => payment,
      timeouts: { connectMs: 5_000, writeMs: 5_000, readMs: 300, totalMs: 5_000 },
      retry: { maxAttempts: 1 },
      statusCheck: {
        afterMs: 100,
        maxDelayMs: 500,
        path: (_, key) => `/payments/${encodeURIComponent(key)}`,
        timeouts: { readMs: 5_000, totalMs: 10_000 },
        interpret: ({ httpStatus, response }) => {
          if (httpStatus === 404) return { status: 'ABSENT' };
          const { status } = response as { status?: string };
          if (status === 'ACCEPTED') return { status: 'SUCCESS', response: response as Accepted };
          return status === 'REJECTED' ? { status: 'FAIL', response } : undefined;
        },
        ...statusCheck,
      },
    }),
    input: ({ payload }) => payload,
    idempotencyKey: ({ payload }) => payload.orderId,
    onSuccess: async (em, { message, response }) => {
      await executeIn(em, 'insert into effect (call_key, kind) values (?, ?)', [message.payload.orderId, `paid as ${response.paymentId}`]);
      await onSuccess(em);
    },
    onFail: async (em, { message }) => {
      await executeIn(em, 'insert into effect (call_key, kind) values (?, ?)', [message.payload.orderId, 'refused']);
    },
  });

export const orderMessage = (orderId: string): ReceivedMessage => ({
  topic: 'orders',
  tag: '',
  keys: [orderId],
  properties: { 'checkback-correlation-id': `c-${orderId}` },
  body: Buffer.from(JSON.stringify({ orderId, amountMinor: 1250, currency: 'EUR' })),
  messageId: `m-${orderId}`,
  deliveryAttempt: 1,
  bornAt: new Date(),
});

/** Everything of a checker that lives in one database. */
export const partsOn = (
  orm: MikroORM,
  bankOrigin: string,
): Pick<StatusCheckerOptions, 'calls' | 'worker'> & { readonly store: StatusCheckStore; readonly gateway: Gateway } => {
  const calls = mysqlExternalCallStore(orm);
  return {
    calls,
    store: mysqlStatusCheckStore(orm),
    gateway: createGateway({ origins: { bank: bankOrigin }, store: calls }),
    worker: { applyOutcome, decodeMessage },
  };
};

/** What a worker does with a delivery, up to the outcome. */
export const work = async (gateway: Gateway, listener: AnyMessageListener, message: ReceivedMessage) => {
  const decoded = await decodeMessage(message, listener.payload);
  return gateway.call(listener.call, listener.input(decoded), {
    idempotencyKey: listener.idempotencyKey(decoded),
    correlationId: decoded.correlationId,
    apply: (em, end) => applyOutcome(listener, decoded, em, end),
  });
};
