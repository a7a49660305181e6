import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createGateway } from '../../src/gateway/gateway.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { payment, payOrder } from './support/payment-call.ts';
import { startTimedBank } from './support/timed-bank.ts';

const pem = (name: string): string => readFileSync(new URL(`./tls/${name}.pem`, import.meta.url), 'utf8');
const SLOW = { handshakeMs: 1_000, readMs: 700, headersMs: 500, bodyMs: 600 };
// More than the kernel holds for a reader that does not read.
const large = { ...payment, orderId: 'x'.repeat(4_000_000) };

// Two clocks compared: on a busy machine one of them may be looked at late, while a wrong one is wrong every time.
it.each(['http', 'https', 'http2'])('tells how long each phase took as the bank saw it, over %s', { retry: 5 }, async (protocol) => {
  const isTls = protocol !== 'http';
  const http2 = protocol === 'http2';
  const bank = await startTimedBank(SLOW, { ...(isTls && { tls: { cert: pem('good'), key: pem('server.key') } }), http2 });
  const store = new InMemoryExternalCallStore();
  const gateway = createGateway({ origins: { bank: { url: bank.origin, ca: pem('authority'), http2 } }, store });
  try {
    expect(await gateway.call(payOrder(), large, { idempotencyKey: 'key-1', correlationId: 'c' })).toMatchObject({ status: 'SUCCESS' });
    const { times } = store.only().responses.get(1)!;
    const { moments } = bank;
    const told = {
      ...(isTls && { connect: times.connectMs / (moments.secured - moments.accepted) }),
      write: times.writeMs! / (moments.lastByte - moments.firstByte),
      headers: times.headersMs! / (moments.headersSent - moments.lastByte),
      body: times.bodyMs! / (moments.bodySent - moments.headersSent),
      total: times.totalMs / (moments.bodySent - moments.accepted),
    };
    const wrong = Object.entries(told).filter(([, ratio]) => !(ratio > 0.8 && ratio < 1.2));
    expect(wrong).toEqual([]);
    expect(times.connectMs + times.writeMs! + times.headersMs! + times.bodyMs!).toBeCloseTo(times.totalMs, 3);
    // The delays did happen, or this has compared noise.
    expect(moments.lastByte - moments.firstByte).toBeGreaterThan(SLOW.readMs - 5);
  } finally {
    await gateway.close();
    await bank.close();
  }
});
