import { hash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { defineExternalCall } from '../../src/gateway/external-call.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { payment, payOrder } from './support/payment-call.ts';

const ids = { idempotencyKey: 'key-1', correlationId: 'c-1' };
const JSON_TYPE = { 'content-type': 'application/json' };

describe('Evidence', () => {
  let bank: MockBank;
  let store: InMemoryExternalCallStore;
  let gateway: Gateway;
  const log: unknown[] = [];
  const note = (...line: unknown[]): void => void log.push(line);

  beforeEach(async () => {
    bank = await startMockBank();
    store = new InMemoryExternalCallStore();
    log.length = 0;
    gateway = createGateway({
      origins: {
        bank: {
          url: bank.origin,
          headers: { authorization: 'Bearer canary-authorization', cookie: 'session=canary-cookie; other=canary-other' },
        },
      },
      store,
      logger: { debug: note, info: note, warn: note, error: note },
    });
  });

  afterEach(async () => {
    await gateway.close();
    await bank.close();
  });

  it('keeps the bytes as they came, with their hash and the times', async () => {
    const odd = Buffer.from('{ "paymentId":"p",  "status" : "ACCEPTED", "amount": 1.00, "é": "\u20ac" }');
    bank.follow([{ kind: 'answer', status: 200, headers: JSON_TYPE, body: odd.toString() }]);
    await gateway.call(payOrder(), payment, ids);
    const { requests, responses } = store.only();
    expect(requests[0]).toMatchObject({
      method: 'POST',
      path: '/payments',
      origin: 'bank',
      body: { state: 'RAW', bytes: Buffer.from(JSON.stringify(payment)), sha256: hash('sha256', JSON.stringify(payment), 'buffer') },
    });
    expect(responses.get(1)).toMatchObject({
      httpStatus: 200,
      isTruncated: false,
      body: { state: 'RAW', bytes: odd, rawBytes: odd.length, sha256: hash('sha256', odd, 'buffer') },
      times: { connectMs: expect.any(Number), writeMs: expect.any(Number), headersMs: expect.any(Number), bodyMs: expect.any(Number) },
    });
  });

  it('cuts a long body and says so', async () => {
    bank.follow([{ kind: 'endless' }]);
    await gateway.call(payOrder({ maxResponseBytes: 1000 }), payment, ids);
    expect(store.only().responses.get(1)).toMatchObject({
      isTruncated: true,
      httpStatus: 201,
      body: { rawBytes: 1000, bytes: Buffer.alloc(1000, 'x') },
    });
  });

  it('keeps the values it is told to keep and masks the rest, the hash still of the raw bytes', async () => {
    const body = '{"paymentId":"p","status":"ACCEPTED","holder":"canary-holder"}';
    bank.follow([{ kind: 'answer', status: 200, headers: JSON_TYPE, body }]);
    const outcome = await gateway.call(payOrder({ keep: ['orderId', 'paymentId', 'status'] }), payment, ids);
    expect(outcome).toMatchObject({ status: 'SUCCESS' });
    const { requests, responses } = store.only();
    expect(requests[0]?.body).toMatchObject({
      state: 'MASKED',
      bytes: Buffer.from('{"orderId":"order-1","amountMinor":"***","currency":"***"}'),
    });
    expect(responses.get(1)?.body).toMatchObject({
      state: 'MASKED',
      bytes: Buffer.from(body.replace('canary-holder', '***')),
      sha256: hash('sha256', body, 'buffer'),
      rawBytes: body.length,
    });
  });

  it('replays what it can from masked evidence', async () => {
    bank.follow([{ kind: 'answer', status: 200, headers: JSON_TYPE, body: '{"paymentId":"p","status":"ACCEPTED"}' }]);
    const call = payOrder({ mask: ['status'] });
    await gateway.call(call, payment, ids);
    expect(await gateway.call(call, payment, ids)).toMatchObject({
      status: 'SUCCESS',
      replayed: true,
      response: { paymentId: 'p', status: '***' },
    });
  });

  it('withholds what it cannot mask', async () => {
    for (const [index, step] of [
      { kind: 'answer', status: 502, body: 'password=canary-password' } as const,
      { kind: 'answer', status: 422, headers: JSON_TYPE, body: '{"token":"canary-token"' } as const,
    ].entries()) {
      bank.follow([step]);
      await gateway.call(payOrder({ response: undefined as never }), payment, { ...ids, idempotencyKey: `k-${index}` });
      expect([...store.calls.values()][index]?.responses.get(1)?.body).toMatchObject({
        state: 'WITHHELD',
        bytes: undefined,
        rawBytes: step.body.length,
      });
    }
    bank.follow([{ kind: 'answer', status: 502, body: 'any text, such as company, shipping and spin' }]);
    await gateway.call(payOrder(), payment, { ...ids, idempotencyKey: 'k-3' });
    expect([...store.calls.values()][2]?.responses.get(1)?.body).toMatchObject({ state: 'RAW' });
    bank.follow([{ kind: 'answer', status: 502, body: 'any text' }]);
    await gateway.call(payOrder({ mask: ['x'] }), payment, { ...ids, idempotencyKey: 'k-4' });
    expect([...store.calls.values()][3]?.responses.get(1)?.body).toMatchObject({ state: 'WITHHELD' });
  });

  it('lets no seeded secret into rows, logs or errors', async () => {
    const secrets = { password: 'canary-password', card: { pan: 'canary-pan' }, note: 'canary-note', apiKey: 'canary-api-key' };
    const call = defineExternalCall<object>({
      name: 'pay-order',
      origin: 'bank',
      method: 'POST',
      path: '/payments?token=canary-query&since=canary-since',
      body: (input) => input,
      headers: () => ({ 'x-api-key': 'canary-header' }),
      mask: ['note'],
      timeouts: { readMs: 100 },
      classify: ({ httpStatus }) => {
        if (httpStatus === 418) throw new Error('canary-classifier');
        return undefined;
      },
      response: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value) => ({ issues: [{ message: `bad ${JSON.stringify(value)}`, path: ['status'] }] }),
        },
      },
    });
    const echo = 'Bearer canary-authorization canary-cookie canary-other canary-header';
    bank.follow((_, nth) => {
      const headers = { ...JSON_TYPE, 'set-cookie': 'a=canary-set-cookie', location: 'https://canary-location', server: `echo ${echo}` };
      const body = JSON.stringify({ ...secrets, echo, status: 'x' });
      if (nth === 1) return { kind: 'answer', status: 200, headers, body };
      if (nth === 2) return { kind: 'answer', status: 422, headers, body };
      if (nth === 3) return { kind: 'answer', status: 502, headers: { 'content-type': 'text/html' }, body: `<h1>${echo}</h1>` };
      if (nth === 4) return { kind: 'answer', status: 418, headers, body: '{"note":"canary-note"}' };
      if (nth === 5) return { kind: 'answer', status: 200, headers: JSON_TYPE, body: '{"note":"canary-note' };
      if (nth === 6) return { kind: 'garbage', bytes: 'canary-not-http\r\n\r\n' };
      return { kind: 'never-answer' };
    });
    const outcomes: unknown[] = [];
    for (let nth = 1; nth <= 7; nth += 1) {
      const outcome = await gateway.call(call, secrets, { ...ids, idempotencyKey: `key-${nth}` });
      if ('error' in outcome)
        outcomes.push(outcome.error.message, outcome.error.cause, String((outcome.error.cause as Error | undefined)?.stack));
    }
    expect([...store.calls.values()].map(({ status }) => status)).toEqual([
      'UNKNOWN',
      'FAIL',
      'UNKNOWN',
      'UNKNOWN',
      'UNKNOWN',
      'UNKNOWN',
      'UNKNOWN',
    ]);
    expect(bank.requests[0]?.headers).toMatchObject({ authorization: 'Bearer canary-authorization', 'x-api-key': 'canary-header' });

    const written = flatten([...store.calls.values(), log, outcomes]);
    expect(written).toContain('x-api-key');
    expect(written.match(/canary-[\w-]+/g)).toBeNull();
  });
});

/** Everything reachable, buffers as text, errors with all they carry. */
function flatten(value: unknown, seen = new Set<unknown>()): string {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  if (value === null || typeof value !== 'object') return String(value);
  if (seen.has(value)) return '';
  seen.add(value);
  const inner =
    value instanceof Map ? [...value.entries()] : Reflect.ownKeys(value).map((key) => (value as Record<PropertyKey, unknown>)[key]);
  return inner.map((item) => flatten(item, seen)).join('\n');
}
