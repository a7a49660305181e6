import { defineExternalCall, defineMessageListener, type MessageListener } from '../../../src/index.ts';
import { executeIn } from '../../support/execute-in.ts';
import { TOPICS } from '../torture-listeners.ts';

/** What a message of an order that is to be charged carries. */
interface Charge {
  readonly orderId: string;
  readonly amount: number;
}

/** The call's name on its rows; its questions have another. */
export const CHARGE = 'charge';
export const CHARGE_QUESTION = 'charge.status';
export const CHARGE_GROUP = 'torture-charges';
export const TIMER_TOPIC = 'torture-status-checks';
export const TIMER_GROUP = 'torture-status-checks';

/**
 * Charges each order once. With faults around, everything is short, so that a call comes to its end within a run: sent,
 * silence, asked after, sent again.
 */
export function chargeListener({ isSteady }: { readonly isSteady: boolean }): MessageListener<Charge, Charge, unknown> {
  return defineMessageListener<Charge, Charge>({
    name: 'charge-order',
    topic: TOPICS.charged,
    group: CHARGE_GROUP,
    call: defineExternalCall<Charge>({
      name: CHARGE,
      origin: 'bank',
      method: 'POST',
      path: '/payments',
      body: ({ orderId, amount }) => ({ orderId, amountMinor: amount, currency: 'EUR' }),
      timeouts: isSteady ? {} : { connectMs: 1_000, writeMs: 1_000, readMs: 2_000, totalMs: 4_000 },
      retry: { maxRetryAfterMs: 5_000 },
      maxResponseBytes: 64 * 1024,
      statusCheck: {
        afterMs: 2_000,
        maxDelayMs: 4_000,
        path: (_charge, idempotencyKey) => `/payments/${idempotencyKey}`,
        interpret: ({ httpStatus, response }) => {
          const said = (response as { readonly status?: unknown } | undefined)?.status;
          if (httpStatus === 200 && said === 'ACCEPTED') return { status: 'SUCCESS', response };
          if (httpStatus === 200 && said === 'REJECTED') return { status: 'FAIL', response };
          return httpStatus === 404 && said === 'ABSENT' ? { status: 'ABSENT' } : undefined;
        },
      },
    }),
    idempotencyKey: ({ payload }) => payload.orderId,
    input: ({ payload: { orderId, amount } }) => ({ orderId, amount }),
    // Counted, not set: the second time would show.
    onSuccess: async (em, { message }) => {
      await executeIn(em, 'update torture_order set paid = paid + 1 where id = ?', [message.payload.orderId]);
    },
    onFail: async (em, { message }) => {
      await executeIn(em, 'update torture_order set refused = refused + 1 where id = ?', [message.payload.orderId]);
    },
    // Nothing is given up within a run.
    retry: { baseMs: 200, maxMs: 3_000, maxDeliveries: 500 },
  });
}
