import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import { z } from 'zod';
import type { EntityManager } from '@mikro-orm/core';
import { CallRejectedError, ConfigurationError, UnknownOutcomeError } from '../../src/errors.ts';
import type { ExternalCall } from '../../src/gateway/external-call.ts';
import { applyOutcome } from '../../src/worker/apply-outcome.ts';
import { defineMessageListener } from '../../src/worker/message-listener.ts';
import type { ListenerMessage } from '../../src/worker/message-listener.ts';
import { DEFAULT_RETRY_OPTIONS } from '../../src/worker/retry-options.ts';
import { chargeCall, orderListener } from './support/worker-harness.ts';
import type { Order } from './support/worker-harness.ts';

describe('Message listener', () => {
  it('is frozen, with its retry options resolved', () => {
    const listener = orderListener({ retry: { maxDeliveries: 4 } });
    expect(Object.isFrozen(listener)).toBe(true);
    expect(listener.retry).toEqual({ ...DEFAULT_RETRY_OPTIONS, maxDeliveries: 4 });
  });

  it('types its payload by its schema and its response by its call', () => {
    defineMessageListener({
      name: 'typed',
      topic: 'orders',
      group: 'payments',
      payload: z.object({ orderId: z.string(), amount: z.string().transform(Number) }),
      call: chargeCall as unknown as ExternalCall<{ id: string }, { receipt: string }>,
      input: ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ orderId: string; amount: number }>();
        return { id: payload.orderId };
      },
      idempotencyKey: ({ payload }) => payload.orderId,
      onSuccess: async (_em, { response }) => {
        expectTypeOf(response).toEqualTypeOf<{ receipt: string }>();
      },
    });
  });

  it.each([
    ['name', ''],
    ['name', 'has space'],
    ['topic', undefined],
    ['topic', 'a.b'],
    ['tag', 'a || b'],
    ['tag', '*'],
    ['group', 'x'.repeat(256)],
    ['payload', {}],
    ['call', 'charge'],
    ['input', 'payload'],
    ['idempotencyKey', undefined],
    ['onSuccess', 1],
    ['onFail', 1],
    ['concurrency', 0],
    ['concurrency', 1.5],
    ['retry', 3],
    ['onSucces', () => {}],
  ])('refuses a wrong %s at once and names it: %j', (field, value) => {
    const define = (): unknown => orderListener({ [field]: value });
    expect(define).toThrow(ConfigurationError);
    expect(define).toThrow(new RegExp(`^message listener .*: ${field} `));
  });

  it.each([
    [{ maxDeliveries: 0 }, 'retry.maxDeliveries must be a whole number of at least 1, it is 0'],
    [{ maxMs: 10 }, 'retry.maxMs must lie between retry.baseMs (1000) and 12 h, it is 10'],
    [{ maxAttempt: 3 }, 'retry.maxAttempt is not an option (it is 3)'],
    [
      { byClass: { poison: {} } },
      'retry.byClass.poison is not a class of failure; they are connect, unavailable, throttled, audit, listener',
    ],
    [{ byClass: { audit: { baseMs: 0 } } }, 'retry.byClass.audit.baseMs must be a whole number of at least 1, it is 0'],
    [{ byClass: { audit: { budgetPercent: 5 } } }, 'retry.byClass.audit.budgetPercent is not an option (it is 5)'],
    [{ budgetPerMinute: 1.5 }, 'retry.budgetPerMinute must be a whole number of at least 1, it is 1.5'],
  ])('refuses wrong retry options: %j', (retry, fault) => {
    expect(() => orderListener({ retry } as object)).toThrow(new ConfigurationError(`message listener "charge-payment": ${fault}`));
  });
});

describe('Outcome of a call', () => {
  const em = {} as EntityManager;
  const message = { payload: { orderId: 'o-1' } } as ListenerMessage<Order>;
  const error = new CallRejectedError('no funds');

  it('runs onSuccess with the response when it is SUCCESS', async () => {
    const hooks = { onSuccess: vi.fn(async () => {}), onFail: vi.fn(async () => {}) };
    await applyOutcome(orderListener(hooks), message, em, { status: 'SUCCESS', response: 'r', httpStatus: 200, replayed: false });
    expect(hooks.onSuccess).toHaveBeenCalledExactlyOnceWith(em, { message, response: 'r' });
    expect(hooks.onFail).not.toHaveBeenCalled();
  });

  it('runs onFail with the error and the response when it is FAIL', async () => {
    const hooks = { onSuccess: vi.fn(async () => {}), onFail: vi.fn(async () => {}) };
    await applyOutcome(orderListener(hooks), message, em, { status: 'FAIL', error, response: 'r', httpStatus: 422, replayed: false });
    expect(hooks.onFail).toHaveBeenCalledExactlyOnceWith(em, { message, error, response: 'r' });
    expect(hooks.onSuccess).not.toHaveBeenCalled();
  });

  it('runs neither when it is UNKNOWN', async () => {
    const hooks = { onSuccess: vi.fn(async () => {}), onFail: vi.fn(async () => {}) };
    const unknown = new UnknownOutcomeError('502');
    await applyOutcome(orderListener(hooks), message, em, { status: 'UNKNOWN', error: unknown, replayed: false });
    expect(hooks.onSuccess).not.toHaveBeenCalled();
    expect(hooks.onFail).not.toHaveBeenCalled();
  });

  it('passes on what a hook throws, so that its transaction rolls back', async () => {
    const fault = new Error('constraint');
    const listener = orderListener({ onSuccess: () => Promise.reject(fault) });
    const applying = applyOutcome(listener, message, em, { status: 'SUCCESS', response: 'r', httpStatus: 200, replayed: false });
    await expect(applying).rejects.toBe(fault);
  });
});
