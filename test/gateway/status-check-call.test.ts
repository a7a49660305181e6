import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type MockBank, type MockBankStep, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { ConfigurationError } from '../../src/errors.ts';
import type { CallAnswer } from '../../src/gateway/external-call.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import type { StatusAnswer } from '../../src/gateway/status-check.ts';
import { statusCheckCall, statusQuestionKey } from '../../src/gateway/status-check-call.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { payment, type PaymentInput, payOrder } from './support/payment-call.ts';

type Accepted = { paymentId: string; status: 'ACCEPTED' };

const understand = ({ httpStatus, response }: CallAnswer): StatusAnswer<Accepted> | undefined => {
  const { status } = (response ?? {}) as { status?: string };
  if (httpStatus === 404 && status === 'ABSENT') return { status };
  if (status === 'ACCEPTED') return { status: 'SUCCESS', response: response as Accepted };
  return status === 'REJECTED' ? { status: 'FAIL', response } : undefined;
};
const path = (_: PaymentInput, key: string): string => `/payments/${encodeURIComponent(key)}`;
const payAndAsk = (more: object = {}) => payOrder({ statusCheck: { path, interpret: understand }, ...more });

describe('statusCheckCall', () => {
  let bank: MockBank;
  let store: InMemoryExternalCallStore;
  let gateway: Gateway;

  beforeEach(async () => {
    bank = await startMockBank();
    store = new InMemoryExternalCallStore();
    gateway = createGateway({ origins: { bank: bank.origin }, store });
  });

  afterEach(async () => {
    await gateway.close();
    await bank.close();
  });

  const ids = { idempotencyKey: 'key-1', correlationId: 'c-1' };
  const ask = (call = payAndAsk(), nth = 1) =>
    gateway.call(
      statusCheckCall(call),
      { input: payment, idempotencyKey: 'key-1' },
      { ...ids, idempotencyKey: statusQuestionKey('key-1', nth) },
    );

  it('learns that a payment of unknown outcome was made, with a record of the question', async () => {
    bank.follow([{ kind: 'bad-gateway' }]);
    expect(await gateway.call(payAndAsk(), payment, ids)).toMatchObject({ status: 'UNKNOWN' });

    expect(await ask()).toMatchObject({
      status: 'SUCCESS',
      httpStatus: 200,
      response: { status: 'SUCCESS', response: { paymentId: 'pay-key-1', status: 'ACCEPTED' } },
    });
    expect(bank.requests.at(-1)).toMatchObject({ method: 'GET', path: '/payments/key-1', idempotencyKey: 'key-1#1' });
    const question = store.calls.get('pay-order.status key-1#1');
    expect(question).toMatchObject({ status: 'SUCCESS', attempts: 1 });
    expect(question?.responses.get(1)).toMatchObject({ httpStatus: 200 });
    // Asking changes nothing about what is asked after.
    expect(store.calls.get('pay-order key-1')).toMatchObject({ status: 'UNKNOWN' });
  });

  it('learns that it was refused, or never arrived, from answers that are no 2xx', async () => {
    expect(await ask()).toMatchObject({ status: 'SUCCESS', httpStatus: 404, response: { status: 'ABSENT' } });
    bank.follow([{ kind: 'reject' }]);
    await gateway.call(payAndAsk(), payment, ids);
    expect(await ask(payAndAsk(), 2)).toMatchObject({ status: 'SUCCESS', response: { status: 'FAIL' } });
  });

  const answers: [string, MockBankStep, string, string][] = [
    ['a 200 that says nothing', { kind: 'answer', status: 200, body: 'ok' }, 'UNKNOWN', 'CB_UNKNOWN_OUTCOME'],
    ['a 404 that says nothing', { kind: 'answer', status: 404 }, 'UNKNOWN', 'CB_UNKNOWN_OUTCOME'],
    ['a 403', { kind: 'answer', status: 403 }, 'UNKNOWN', 'CB_UNKNOWN_OUTCOME'],
    ['a 502', { kind: 'bad-gateway', acts: false }, 'UNKNOWN', 'CB_UNKNOWN_OUTCOME'],
    ['a 429', { kind: 'answer', status: 429, headers: { 'retry-after': '3' } }, 'PENDING', 'CB_CALL_UNAVAILABLE'],
    ['silence', { kind: 'never-answer' }, 'UNKNOWN', 'CB_READ_TIMEOUT'],
  ];

  it.each(answers)('has no answer after %s', async (_, step, status, code) => {
    bank.follow(() => step);
    const call = payOrder({ statusCheck: { path, interpret: understand, timeouts: { readMs: 300 } } });
    expect(await ask(call)).toMatchObject({ status, error: { code } });
  });

  it('has no answer when interpret throws, and does not repeat what it said', async () => {
    const call = payOrder({
      statusCheck: {
        path,
        interpret: () => {
          throw new Error('canary');
        },
      },
    });
    const outcome = await ask(call);
    expect(outcome).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_UNKNOWN_OUTCOME', cause: undefined } });
    expect(JSON.stringify([...store.calls])).not.toContain('canary');
  });

  it('never takes an answer on record for an answer of today', async () => {
    expect(await ask()).toMatchObject({ status: 'SUCCESS', response: { status: 'ABSENT' } });
    await gateway.call(payAndAsk(), payment, ids);
    expect(await ask()).toMatchObject({ status: 'UNKNOWN', replayed: true });
    expect(await ask(payAndAsk(), 2)).toMatchObject({ status: 'SUCCESS', response: { status: 'SUCCESS' } });
  });

  it('asks on the origin of the call, through the same circuit', async () => {
    await gateway.close();
    gateway = createGateway({ origins: { bank: bank.origin }, store, circuit: { consecutiveFailures: 1 } });
    bank.follow([{ kind: 'bad-gateway' }]);
    await gateway.call(payAndAsk(), payment, ids);
    expect(await ask()).toMatchObject({ status: 'PENDING', error: { code: 'CB_CIRCUIT_OPEN' } });
    expect(store.calls.has('pay-order.status key-1#1')).toBe(false);
  });

  it('is what the call says, in what it keeps, masks, waits and reads', () => {
    const call = payOrder({
      keep: ['status'],
      mask: ['paymentId'],
      keepHeaders: ['x-trace'],
      maxResponseBytes: 1_000,
      timeouts: { readMs: 1_234 },
      statusCheck: {
        path,
        interpret: understand,
        method: 'POST',
        body: (input, key) => ({ key, id: input.orderId }),
        timeouts: { connectMs: 77 },
      },
    });
    const asked = statusCheckCall(call);
    expect(asked).toMatchObject({
      name: 'pay-order.status',
      origin: 'bank',
      method: 'POST',
      keep: ['status'],
      mask: ['paymentId'],
      keepHeaders: ['x-trace'],
      maxResponseBytes: 1_000,
      timeouts: { connectMs: 77, readMs: 1_234 },
    });
    expect(asked.body?.({ input: payment, idempotencyKey: 'k' })).toEqual({ key: 'k', id: 'order-1' });
    expect(statusCheckCall(call)).toBe(asked);
  });

  it('gives its path what the schema of the call makes of the input', async () => {
    const request = z.object({ orderId: z.string().toUpperCase(), amountMinor: z.number(), currency: z.string() });
    const call = payOrder({ request, statusCheck: { path: ({ orderId }) => `/payments/${orderId}`, interpret: understand } });
    await ask(call);
    expect(bank.requests[0]?.path).toBe('/payments/ORDER-1');
    await expect(
      gateway.call(statusCheckCall(call), { input: { ...payment, orderId: 7 } as never, idempotencyKey: 'key-1' }, ids),
    ).rejects.toMatchObject({ code: 'CB_INVALID_MESSAGE' });
  });

  it('does not exist for a call without a status check', () => {
    expect(() => statusCheckCall(payOrder())).toThrow(ConfigurationError);
  });
});

describe('statusQuestionKey', () => {
  it('continues the key, or its hash where it is too long', () => {
    expect(statusQuestionKey('order-1', 3)).toBe('order-1#3');
    expect(statusQuestionKey('x'.repeat(126), 1)).toBe(`${'x'.repeat(126)}#1`);
    expect(statusQuestionKey('x'.repeat(127), 1)).toMatch(/^[0-9a-f]{64}#1$/);
    expect(statusQuestionKey('x'.repeat(127), 1)).not.toBe(statusQuestionKey(`${'x'.repeat(126)}y`, 1));
  });
});
