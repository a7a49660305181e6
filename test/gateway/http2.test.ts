import { hash } from 'node:crypto';
import { constants } from 'node:http2';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { authority, type Http2Bank, type Http2Step, startGoingAway, startHttp2Bank } from './support/http2-bank.ts';
import { payment, payOrder } from './support/payment-call.ts';

const pem = (name: string): string => readFileSync(new URL(`./tls/${name}.pem`, import.meta.url), 'utf8');

describe('Gateway over HTTP/2', () => {
  const cleanUps: (() => Promise<void>)[] = [];
  let store: InMemoryExternalCallStore;

  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  });

  const bankThat = async (...given: Parameters<typeof startHttp2Bank>): Promise<Http2Bank> => {
    const bank = await startHttp2Bank(...given);
    cleanUps.push(bank.close);
    return bank;
  };
  const open = (url: string, options: object = {}): Gateway => {
    store = new InMemoryExternalCallStore();
    const gateway = createGateway({ origins: { bank: { url, ca: authority, http2: true, circuit: false, ...options } }, store });
    cleanUps.push(() => gateway.close());
    return gateway;
  };
  const ids = (idempotencyKey = 'key-1') => ({ idempotencyKey, correlationId: 'c' });

  it('pays, with the evidence HTTP/1.1 leaves', async () => {
    const bank = await bankThat();
    expect(await open(bank.origin).call(payOrder(), payment, ids())).toEqual({
      status: 'SUCCESS',
      httpStatus: 201,
      replayed: false,
      response: { paymentId: 'p', status: 'ACCEPTED' },
    });
    expect(bank.seen).toMatchObject([
      {
        headers: { ':method': 'POST', ':path': '/payments', 'idempotency-key': 'key-1', 'x-correlation-id': 'c' },
        body: JSON.stringify(payment),
      },
    ]);
    const { requests, responses } = store.only();
    expect(requests[0]?.body).toMatchObject({ state: 'RAW', bytes: Buffer.from(JSON.stringify(payment)) });
    const body = '{"paymentId":"p","status":"ACCEPTED"}';
    expect(responses.get(1)).toMatchObject({
      httpStatus: 201,
      failedPhase: undefined,
      isTruncated: false,
      remoteAddress: '127.0.0.1',
      body: { state: 'RAW', bytes: Buffer.from(body), sha256: hash('sha256', body, 'buffer') },
    });
    expect(JSON.parse(responses.get(1)?.headers ?? '')).toEqual(expect.arrayContaining([['content-type', 'application/json']]));
  });

  const faults: [step: Http2Step, status: string, code: string, phase: string | undefined, effects: number][] = [
    ['refuse', 'PENDING', 'CB_CALL_UNAVAILABLE', 'read', 0],
    ['never-answer', 'UNKNOWN', 'CB_READ_TIMEOUT', 'read', 1],
    ['cancel', 'UNKNOWN', 'CB_CONNECTION_LOST', 'read', 1],
    ['cut-body', 'UNKNOWN', 'CB_CONNECTION_LOST', 'read', 1],
    ['short-body', 'UNKNOWN', 'CB_CONNECTION_LOST', 'read', 1],
    ['lose-connection', 'UNKNOWN', 'CB_CONNECTION_LOST', 'read', 1],
    ['endless', 'UNKNOWN', 'CB_UNKNOWN_OUTCOME', 'read', 1],
  ];
  it.each(faults)('after "%s" it is %s, and the next call is made', async (step, status, code, phase, effects) => {
    const bank = await bankThat([step]);
    const gateway = open(bank.origin);
    const call = payOrder({ timeouts: { connectMs: 5_000, readMs: 1_000 }, maxResponseBytes: 64 * 1024 });
    expect(await gateway.call(call, payment, ids())).toMatchObject({ status, error: { code } });
    expect(bank.effects).toBe(effects);
    expect(store.only()).toMatchObject({ status, attempts: 1 });
    expect(store.only().responses.get(1)).toMatchObject({ failedPhase: phase, errorCode: code });
    expect(await gateway.call(call, payment, ids('key-2'))).toMatchObject({ status: 'SUCCESS' });
  });

  it.each([constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_ENHANCE_YOUR_CALM])(
    'is PENDING when the connection goes away (%d) without having processed it',
    async (code) => {
      const away = await startGoingAway(code);
      cleanUps.push(away.close);
      expect(await open(away.origin).call(payOrder(), payment, ids())).toMatchObject({
        status: 'PENDING',
        error: { code: 'CB_CALL_UNAVAILABLE', acted: 'no', retryable: true },
      });
    },
  );

  it('opens another connection after one that is going away', async () => {
    const bank = await bankThat(['go-away-after']);
    const gateway = open(bank.origin);
    for (const key of ['a', 'b', 'c']) expect(await gateway.call(payOrder(), payment, ids(key))).toMatchObject({ status: 'SUCCESS' });
    expect(bank.sessions.made).toBe(2);
  });

  it('does not lose a call to a connection that ended while idle', async () => {
    const bank = await bankThat();
    const gateway = open(bank.origin);
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      expect(await gateway.call(payOrder(), payment, ids(key))).toMatchObject({ status: 'SUCCESS' });
      for (const session of bank.sessions.open) session.destroy();
      await expect.poll(() => bank.sessions.open.size).toBe(0);
    }
    expect(bank.effects).toBe(5);
  });

  it('makes many calls on one connection, no more at once than either side allows', async () => {
    const bank = await bankThat([], { delayMs: 20, settings: { maxConcurrentStreams: 3 } });
    const gateway = open(bank.origin);
    const outcomes = await Promise.all(Array.from({ length: 30 }, (_, index) => gateway.call(payOrder(), payment, ids(`key-${index}`))));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['SUCCESS']));
    expect(bank.sessions.made).toBe(1);
    expect(bank.mostStreams).toBe(3);
  });

  it('says WriteTimeoutError when the other side takes no more of the body', async () => {
    const bank = await bankThat(['stop-reading']);
    const call = payOrder({ timeouts: { connectMs: 5_000, writeMs: 300 } });
    expect(await open(bank.origin).call(call, { ...payment, orderId: 'x'.repeat(1_000_000) }, ids())).toMatchObject({
      status: 'UNKNOWN',
      error: { code: 'CB_WRITE_TIMEOUT' },
    });
    expect(store.only().responses.get(1)).toMatchObject({ failedPhase: 'write', times: { headersMs: undefined } });
  });

  it('does not connect to a bank that does not offer it, nor to one it cannot verify', async () => {
    const old = await startMockBank({ tls: { cert: pem('good'), key: pem('server.key') } });
    cleanUps.push(old.close);
    expect(await open(old.origin).call(payOrder(), payment, ids())).toMatchObject({ status: 'PENDING', error: { code: 'CB_CONNECT' } });
    const bank = await bankThat();
    const made = await open(bank.origin, { ca: pem('self-signed') }).call(payOrder(), payment, ids());
    expect(made).toMatchObject({ status: 'PENDING', error: { code: 'CB_CONNECT' } });
    expect(bank.seen).toHaveLength(0);
  });

  it('is spoken over https only', () => {
    expect(() => open('http://bank.example')).toThrow('origin "bank": HTTP/2 is spoken over https only');
  });

  it('leaves no connection behind, and keeps none for a caller that gave up', async () => {
    const bank = await bankThat(['never-answer']);
    const gateway = open(bank.origin);
    const giveUp = new AbortController();
    const calling = gateway.call(payOrder(), payment, { ...ids(), signal: giveUp.signal });
    await expect.poll(() => bank.effects).toBe(1);
    giveUp.abort(new Error('shutting down'));
    expect(await calling).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_DEADLINE', phase: 'read' } });
    await gateway.close();
    await expect.poll(() => bank.sessions.open.size).toBe(0);
  });
});
