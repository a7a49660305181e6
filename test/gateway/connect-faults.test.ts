import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import type { OriginOptions } from '../../src/gateway/origin.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { startBlackHole } from './support/black-hole.ts';
import { payment, payOrder } from './support/payment-call.ts';

const pem = (name: string): string => readFileSync(new URL(`./tls/${name}.pem`, import.meta.url), 'utf8');

describe('Gateway, before the first byte', () => {
  const cleanUps: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  });

  const callThrough = async (bank: string | OriginOptions, timeouts: object = {}, input = payment) => {
    const store = new InMemoryExternalCallStore();
    const gateway = createGateway({ origins: { bank }, store });
    cleanUps.push(() => gateway.close());
    const outcome = await gateway.call(payOrder({ timeouts: { connectMs: 2_000, ...timeouts } }), input, {
      idempotencyKey: 'key-1',
      correlationId: 'c',
    });
    const call = store.only();
    return { outcome, call, response: call.responses.get(1) };
  };

  const expectUnsent = ({ outcome, call, response }: Awaited<ReturnType<typeof callThrough>>, code: string): void => {
    expect(outcome).toMatchObject({ status: 'PENDING', error: { code, acted: 'no', retryable: true }, attempt: 1 });
    expect(call).toMatchObject({ status: 'PENDING', attempts: 1, fence: undefined });
    expect(call.requests).toHaveLength(1);
    expect(response).toMatchObject({ failedPhase: 'connect', errorCode: code, httpStatus: undefined, times: { writeMs: undefined } });
  };

  it('says ConnectError for a name that does not resolve', async () => {
    const made = await callThrough('http://no-such-bank.invalid');
    expectUnsent(made, 'CB_CONNECT');
    expect(made.response?.errorChain).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });

  it('says ConnectError when refused', async () => {
    const bank = await startMockBank();
    await bank.close();
    expectUnsent(await callThrough(bank.origin), 'CB_CONNECT');
  });

  it('says ConnectTimeoutError when nobody answers the SYN', async () => {
    const hole = await startBlackHole();
    cleanUps.push(hole.close);
    const made = await callThrough(hole.origin, { connectMs: 300 });
    expectUnsent(made, 'CB_CONNECT_TIMEOUT');
    expect(made.response?.times.connectMs).toBeGreaterThanOrEqual(290);
  });

  it('says DeadlineError in the connect phase when the total comes first', async () => {
    const hole = await startBlackHole();
    cleanUps.push(hole.close);
    const made = await callThrough(hole.origin, { connectMs: 5_000, totalMs: 200 });
    expectUnsent(made, 'CB_DEADLINE');
  });

  it.each([
    ['expired', /CERT_HAS_EXPIRED/],
    ['other-host', /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['self-signed', /SELF_SIGNED_CERT/],
  ])('says ConnectError for a certificate that is %s', async (certificate, code) => {
    const bank = await startMockBank({ tls: { cert: pem(certificate), key: pem('server.key') } });
    cleanUps.push(bank.close);
    const made = await callThrough({ url: bank.origin, ca: pem('authority') });
    expectUnsent(made, 'CB_CONNECT');
    expect(made.response?.errorChain).toMatch(code);
    expect(bank.requests).toHaveLength(0);
  });

  // Not before the first byte, but it needs the same port: nobody reads, so the kernel's window stays small.
  it('says WriteTimeoutError when the connection takes no more of the body', async () => {
    const mute = await startBlackHole({ accepts: true });
    cleanUps.push(mute.close);
    const { outcome, call, response } = await callThrough(mute.origin, { writeMs: 300 }, { ...payment, orderId: 'x'.repeat(4_000_000) });
    expect(outcome).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_WRITE_TIMEOUT', acted: 'maybe', retryable: false } });
    expect(call).toMatchObject({ status: 'UNKNOWN', attempts: 1 });
    expect(response).toMatchObject({ failedPhase: 'write', times: { headersMs: undefined } });
    expect(response?.times.writeMs).toBeGreaterThan(250);
  });

  it('says ConnectTimeoutError when TCP answers and TLS does not', async () => {
    const mute = await startBlackHole({ accepts: true });
    cleanUps.push(mute.close);
    expectUnsent(await callThrough(mute.origin.replace('http:', 'https:'), { connectMs: 300 }), 'CB_CONNECT_TIMEOUT');
  });

  it('pays over TLS that can be verified', async () => {
    const bank = await startMockBank({ tls: { cert: pem('good'), key: pem('server.key') } });
    cleanUps.push(bank.close);
    const { outcome } = await callThrough({ url: bank.origin, ca: pem('authority') }, {}, { ...payment, orderId: 'x'.repeat(1_000_000) });
    expect(outcome).toMatchObject({ status: 'SUCCESS' });
    expect(bank.requests[0]?.body).toHaveLength(1_000_000 + JSON.stringify(payment).length - payment.orderId.length);
  });

  it('sends nothing to an address outside the allowed blocks, whatever the name says', async () => {
    const bank = await startMockBank();
    cleanUps.push(bank.close);
    const made = await callThrough({ url: bank.origin.replace('127.0.0.1', 'localhost'), allowAddresses: ['10.0.0.0/8'] });
    expectUnsent(made, 'CB_CONNECT');
    expect(bank.requests).toHaveLength(0);
  });

  it('counts waiting for a free connection as connecting', async () => {
    const bank = await startMockBank({ script: [{ kind: 'never-answer' }] });
    cleanUps.push(bank.close);
    const store = new InMemoryExternalCallStore();
    const gateway = createGateway({ origins: { bank: { url: bank.origin, maxConnections: 1, maxConcurrent: 3 } }, store });
    cleanUps.push(() => gateway.close());
    const first = gateway.call(payOrder({ timeouts: { readMs: 1_000 } }), payment, { idempotencyKey: 'a', correlationId: 'c' });
    await bank.seen(({ idempotencyKey }) => idempotencyKey === 'a');

    const [second, third] = await Promise.all([
      gateway.call(payOrder({ timeouts: { connectMs: 100 } }), payment, { idempotencyKey: 'b', correlationId: 'c' }),
      gateway.call(payOrder({ timeouts: { connectMs: 5_000 } }), payment, { idempotencyKey: 'c', correlationId: 'c' }),
    ]);
    expect(second).toMatchObject({ status: 'PENDING', error: { code: 'CB_CONNECT_TIMEOUT' } });
    expect(third).toMatchObject({ status: 'SUCCESS' });
    expect(await first).toMatchObject({ status: 'UNKNOWN' });
    expect(bank.requests.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['a', 'c']);
  });
});
