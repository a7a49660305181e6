import diagnostics from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import { startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { authority, startHttp2Bank } from './support/http2-bank.ts';
import { payment, payOrder } from './support/payment-call.ts';

/** Longer than the call may take in all; nothing of this process runs meanwhile. */
const stop = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
const hurried = payOrder({ timeouts: { connectMs: 300, totalMs: 600 } });
const ids = (idempotencyKey: string) => ({ idempotencyKey, correlationId: 'c' });
const NOTHING_SENT = { status: 'PENDING', error: { code: 'CB_DEADLINE' } };

describe('A process stopped between the record of a request and its first byte', () => {
  const cleanUps: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  });
  const open = (origin: Parameters<typeof createGateway>[0]['origins'][string], store = new InMemoryExternalCallStore()): Gateway => {
    const gateway = createGateway({ origins: { bank: origin }, store });
    cleanUps.push(() => gateway.close());
    return gateway;
  };

  it('sends nothing any more when it was connecting', async () => {
    const bank = await startMockBank();
    cleanUps.push(() => bank.close());
    const gateway = open(bank.origin);
    const onSocket = (): void => {
      diagnostics.unsubscribe('net.client.socket', onSocket);
      stop();
    };
    diagnostics.subscribe('net.client.socket', onSocket);
    expect(await gateway.call(hurried, payment, ids('key-1'))).toMatchObject(NOTHING_SENT);
    expect(await gateway.call(payOrder(), payment, ids('key-2'))).toMatchObject({ status: 'SUCCESS' });
    expect([...bank.effects.keys()]).toEqual(['key-2']);
  });

  it.each(['http/1.1', 'h2'])('sends nothing any more on an open connection, over %s', async (protocol) => {
    const isHttp2 = protocol === 'h2';
    const bank = isHttp2 ? await startHttp2Bank() : await startMockBank();
    cleanUps.push(() => bank.close());
    const store = new InMemoryExternalCallStore();
    const gateway = open(isHttp2 ? { url: bank.origin, ca: authority, http2: true } : bank.origin, store);
    expect(await gateway.call(payOrder(), payment, ids('key-1'))).toMatchObject({ status: 'SUCCESS' });
    const openAttempt = store.open.bind(store);
    store.open = async (...opening) => {
      const opened = await openAttempt(...opening);
      // Before whatever comes of it.
      setImmediate(stop);
      store.open = openAttempt;
      return opened;
    };
    expect(await gateway.call(hurried, payment, ids('key-2'))).toMatchObject(NOTHING_SENT);
    expect(await gateway.call(payOrder(), payment, ids('key-3'))).toMatchObject({ status: 'SUCCESS' });
    const seen = 'requests' in bank ? bank.requests.map(({ headers }) => headers) : bank.seen.map(({ headers }) => headers);
    expect(seen.map((headers) => headers['idempotency-key'])).toEqual(['key-1', 'key-3']);
  });
});
