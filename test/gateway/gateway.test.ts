import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type MockBank, type MockBankStep, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { payment, payOrder } from './support/payment-call.ts';

const Payment = z.object({ orderId: z.string(), amountMinor: z.number(), currency: z.string() });
const fail = (message: string): never => {
  throw new Error(message);
};

describe('Gateway on real sockets', () => {
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

  const ids = { idempotencyKey: 'key-1', correlationId: 'correlation-1' };

  it('pays, and sends the key, the correlation id and a content length', async () => {
    const outcome = await gateway.call(payOrder(), payment, ids);

    expect(outcome).toEqual({
      status: 'SUCCESS',
      httpStatus: 201,
      replayed: false,
      response: { paymentId: 'pay-key-1', status: 'ACCEPTED' },
    });
    const [request] = bank.requests;
    expect(request?.headers).toMatchObject({
      'idempotency-key': 'key-1',
      'x-correlation-id': 'correlation-1',
      'content-type': 'application/json',
      'accept-encoding': 'identity',
      'content-length': String(JSON.stringify(payment).length),
    });
    expect(JSON.parse(request?.body ?? '')).toEqual(payment);
  });

  it('gives a second caller the recorded outcome without a request', async () => {
    await gateway.call(payOrder(), payment, ids);
    const again = await gateway.call(payOrder(), payment, ids);

    expect(again).toEqual({ status: 'SUCCESS', httpStatus: 201, replayed: true, response: { paymentId: 'pay-key-1', status: 'ACCEPTED' } });
    expect(bank.requests).toHaveLength(1);
  });

  it('sends what the schema of the request makes of the input', async () => {
    const request = z.object({ orderId: z.string(), amountMinor: z.number(), currency: z.string().default('EUR') });
    await gateway.call(payOrder({ request }), { ...payment, currency: undefined, more: 1 } as never, ids);
    expect(JSON.parse(bank.requests[0]?.body ?? '')).toEqual(payment);
  });

  it.each([
    ['its place', z.object({ ...Payment.shape, amountMinor: z.number().max(9) }), 'its input does not match its schema at amountMinor'],
    ['that its schema threw', Payment.refine(() => fail('canary')), 'its input could not be checked: its schema threw'],
    ['an asynchronous refusal', Payment.refine(async () => false, { path: ['orderId'] }), 'its input does not match its schema at orderId'],
  ])(
    'refuses an input that its schema refuses, naming %s and no value, before anything is recorded or sent',
    async (_, request, message) => {
      const error: unknown = await gateway.call(payOrder({ request }), payment, ids).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'CB_INVALID_MESSAGE', message: `call "pay-order": ${message}`, cause: undefined });
      expect(store.calls.size).toBe(0);
      expect(bank.requests).toHaveLength(0);
    },
  );

  // Each row of design.md §4 and of faults.md 19 to 21 that one answer can show.
  const faults: [name: string, step: MockBankStep, status: string, code: string, phase: string | undefined, effects: number][] = [
    ['a refusal', { kind: 'reject' }, 'FAIL', 'CB_CALL_REJECTED', undefined, 0],
    ['503 with Retry-After', { kind: 'unavailable', retryAfter: '7' }, 'PENDING', 'CB_CALL_UNAVAILABLE', undefined, 0],
    ['503 without Retry-After', { kind: 'unavailable' }, 'UNKNOWN', 'CB_UNKNOWN_OUTCOME', undefined, 0],
    ['429', { kind: 'answer', status: 429 }, 'PENDING', 'CB_CALL_UNAVAILABLE', undefined, 0],
    ['502 after it took effect', { kind: 'bad-gateway' }, 'UNKNOWN', 'CB_UNKNOWN_OUTCOME', undefined, 1],
    [
      'a redirect, which is not followed',
      { kind: 'answer', status: 307, headers: { location: '/payments' } },
      'UNKNOWN',
      'CB_UNKNOWN_OUTCOME',
      undefined,
      0,
    ],
    ['no headers, ever', { kind: 'never-answer' }, 'UNKNOWN', 'CB_READ_TIMEOUT', 'read', 1],
    ['a body that stalls', { kind: 'stall-body' }, 'UNKNOWN', 'CB_READ_TIMEOUT', 'read', 1],
    ['a body cut short', { kind: 'truncate' }, 'UNKNOWN', 'CB_CONNECTION_LOST', 'read', 1],
    ['a body without end', { kind: 'endless' }, 'UNKNOWN', 'CB_UNKNOWN_OUTCOME', 'read', 1],
    ['bytes that are not HTTP', { kind: 'garbage' }, 'UNKNOWN', 'CB_UNKNOWN_OUTCOME', 'read', 1],
    [
      '100 KB of headers',
      { kind: 'answer', status: 201, acts: true, headers: { 'x-long': 'x'.repeat(100_000) } },
      'UNKNOWN',
      'CB_UNKNOWN_OUTCOME',
      'read',
      1,
    ],
    ['a reset before the body was read', { kind: 'reset', when: 'before-body' }, 'UNKNOWN', 'CB_CONNECTION_LOST', 'read', 0],
    ['a reset after the body', { kind: 'reset', when: 'after-body' }, 'UNKNOWN', 'CB_CONNECTION_LOST', 'read', 1],
    ['a reset during the answer', { kind: 'reset', when: 'during-answer' }, 'UNKNOWN', 'CB_CONNECTION_LOST', 'read', 1],
    [
      'a 2xx that is not JSON',
      { kind: 'answer', status: 200, acts: true, headers: { 'content-type': 'application/json' }, body: '{"paymentId":' },
      'UNKNOWN',
      'CB_UNKNOWN_OUTCOME',
      undefined,
      1,
    ],
    [
      'a 2xx that does not match its schema',
      { kind: 'answer', status: 200, acts: true, headers: { 'content-type': 'application/json' }, body: '{"paymentId":1}' },
      'UNKNOWN',
      'CB_UNKNOWN_OUTCOME',
      undefined,
      1,
    ],
  ];

  it.each(faults)('%s', async (_, step, status, code, failedPhase, effects) => {
    bank.follow([step]);
    const outcome = await gateway.call(payOrder({ maxResponseBytes: 100_000, timeouts: { readMs: 700 } }), payment, ids);

    expect(outcome).toMatchObject({ status, error: { code } });
    const call = store.only();
    expect(call).toMatchObject({ status, errorCode: code, attempts: 1 });
    expect(call.responses.get(1)).toMatchObject({ errorCode: code, failedPhase });
    expect(bank.effects.get('key-1') ?? 0).toBe(effects);

    // Never a blind retry: only a call that certainly had no effect may be made again.
    const before = bank.requests.length;
    await gateway.call(payOrder(), payment, ids);
    expect(bank.requests.length - before).toBe(status === 'PENDING' && step.kind === 'answer' ? 1 : 0);
  });

  it('is UNKNOWN when the connection is reset in the middle of a large body', async () => {
    bank.follow([{ kind: 'reset', when: 'during-body' }]);
    const outcome = await gateway.call(payOrder(), { ...payment, currency: 'x'.repeat(3_000_000) }, ids);

    expect(outcome).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_CONNECTION_LOST' } });
    expect(bank.effects.size).toBe(0);
  });

  it.each([{ kind: 'answer', status: 429 }, { kind: 'never-answer' }, { kind: 'bad-gateway' }] as const)(
    'makes no attempt of its own after $kind, however many it may make',
    async (step) => {
      bank.follow([step]);
      await gateway.call(payOrder({ retry: { maxAttempts: 3, baseDelayMs: 1 }, timeouts: { readMs: 300 } }), payment, ids);
      expect(store.only().attempts).toBe(1);
      expect(bank.requests).toHaveLength(1);
    },
  );

  it('ends a body that drips at the total deadline', async () => {
    bank.follow([{ kind: 'slow-body', byteEveryMs: 50 }]);
    const outcome = await gateway.call(payOrder({ timeouts: { readMs: 2_000, totalMs: 600 } }), payment, ids);

    expect(outcome).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_DEADLINE', phase: 'read' } });
    expect(store.only().responses.get(1)).toMatchObject({ isTruncated: true, httpStatus: 201 });
  });

  it('sends a large body whole', async () => {
    const input = { ...payment, currency: 'x'.repeat(1_000_000) };
    expect(await gateway.call(payOrder(), input, ids)).toMatchObject({ status: 'SUCCESS' });
    expect(bank.requests[0]?.body).toBe(JSON.stringify(input));
  });

  it('keeps connections and uses the next one when the bank has closed it', async () => {
    bank.follow([{ kind: 'ok' }, { kind: 'close-after' }]);
    for (const idempotencyKey of ['a', 'b']) await gateway.call(payOrder(), payment, { ...ids, idempotencyKey });
    await vi.waitFor(() => expect(bank.connections).toBe(0));
    expect(await gateway.call(payOrder(), payment, { ...ids, idempotencyKey: 'c' })).toMatchObject({ status: 'SUCCESS' });
    expect(bank.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
  });

  it('replaces a connection that dies between being chosen and the first byte', async () => {
    await gateway.call(payOrder(), payment, { ...ids, idempotencyKey: 'a' });
    // The reset is under way when the next call takes the connection, and found before it is used.
    bank.resetConnections();
    expect(await gateway.call(payOrder(), payment, { ...ids, idempotencyKey: 'b' })).toMatchObject({ status: 'SUCCESS' });
    expect(bank.requests.map(({ connection }) => connection)).toEqual([1, 2]);
  });

  it('is PENDING when nobody listens, after all its attempts, each with a record', async () => {
    await bank.close();
    const outcome = await gateway.call(payOrder({ retry: { maxAttempts: 3, baseDelayMs: 1 } }), payment, ids);

    expect(outcome).toMatchObject({
      status: 'PENDING',
      attempt: 3,
      retryAfterMs: undefined,
      error: { code: 'CB_CONNECT', retryable: true },
    });
    const call = store.only();
    expect(call).toMatchObject({ status: 'PENDING', attempts: 3 });
    expect(call.requests.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['key-1', 'key-1', 'key-1']);
    expect([...call.responses.values()].map(({ failedPhase }) => failedPhase)).toEqual(['connect', 'connect', 'connect']);
  });
});
