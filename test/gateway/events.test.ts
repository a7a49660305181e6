import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { emitGatewayEvent, onGatewayEvent } from '../../src/gateway/gateway-events.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { startBlackHole } from './support/black-hole.ts';
import { payment, payOrder } from './support/payment-call.ts';

const NAMES = ['attempt-opened', 'attempt-closed', 'connect-timeout', 'circuit-changed', 'throttled', 'retry-budget-exhausted'] as const;

describe('GatewayEvents', () => {
  let bank: MockBank;
  let store: InMemoryExternalCallStore;
  let seen: { name: string; event: unknown }[];
  const cleanUps: (() => unknown)[] = [];

  beforeEach(async () => {
    bank = await startMockBank();
    store = new InMemoryExternalCallStore();
    seen = [];
    for (const name of NAMES) cleanUps.push(onGatewayEvent(name, (event) => seen.push({ name, event })));
  });

  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
    await bank.close();
  });

  const open = (options: Partial<GatewayOptions> = {}): Gateway => {
    const gateway = createGateway({ origins: { bank: bank.origin }, store, ...options });
    cleanUps.push(() => gateway.close());
    return gateway;
  };
  const ids = { idempotencyKey: 'key-1', correlationId: 'c-1' };
  const names = { origin: 'bank', call: 'pay-order', ...ids };

  it('tell an attempt from its record to its end, with the time of each phase', async () => {
    let recorded = 0;
    cleanUps.push(onGatewayEvent('attempt-opened', () => (recorded = store.only().requests.length)));
    await open().call(payOrder(), payment, ids);
    expect(seen).toEqual([
      { name: 'attempt-opened', event: { ...names, attempt: 1 } },
      {
        name: 'attempt-closed',
        event: {
          ...names,
          attempt: 1,
          status: 'SUCCESS',
          httpStatus: 201,
          errorCode: undefined,
          failedPhase: undefined,
          times: store.only().responses.get(1)?.times,
        },
      },
    ]);
    expect(recorded).toBe(1);
  });

  it('name what went wrong and where', async () => {
    bank.follow([{ kind: 'reset', when: 'after-body' }]);
    await open().call(payOrder(), payment, ids);
    expect(seen.at(-1)).toMatchObject({
      name: 'attempt-closed',
      event: { status: 'UNKNOWN', errorCode: 'CB_CONNECTION_LOST', failedPhase: 'read', httpStatus: undefined },
    });
  });

  it('alert about a connect timeout before the attempt closes', async () => {
    const hole = await startBlackHole();
    cleanUps.push(hole.close);
    await open({ origins: { bank: hole.origin } }).call(payOrder({ timeouts: { connectMs: 200 } }), payment, ids);
    expect(seen.map(({ name }) => name)).toEqual(['attempt-opened', 'connect-timeout', 'attempt-closed']);
    const { times } = store.only().responses.get(1) ?? {};
    expect(seen[1]?.event).toEqual({ ...names, attempt: 1, connectMs: times?.connectMs });
    expect(times?.connectMs).toBeGreaterThan(190);
  });

  it('tell that a circuit changed, and nothing of calls that it holds back', async () => {
    const gateway = open({ circuit: { consecutiveFailures: 1 } });
    bank.follow([{ kind: 'bad-gateway' }]);
    await gateway.call(payOrder(), payment, ids);
    await gateway.call(payOrder(), payment, { ...ids, idempotencyKey: 'key-2' });
    expect(seen.map(({ name }) => name)).toEqual(['attempt-opened', 'circuit-changed', 'attempt-closed']);
    expect(seen[1]?.event).toMatchObject({ origin: 'bank', before: 'closed', state: 'open', failures: 1 });
  });

  it('tell that our own limits held a call back', async () => {
    const gateway = open({ rate: { maxPerSecond: 0.1 }, maxWaitMs: 0 });
    await gateway.call(payOrder(), payment, ids);
    await gateway.call(payOrder(), payment, { ...ids, idempotencyKey: 'key-2' });
    expect(seen.at(-1)).toEqual({
      name: 'throttled',
      event: { ...names, idempotencyKey: 'key-2', limit: 'rate', retryAfterMs: expect.any(Number) as number },
    });
  });

  it('tell that the retry budget is used up', async () => {
    await bank.close();
    const call = payOrder({ retry: { maxAttempts: 2 } });
    await open({ retryBudget: { retryShare: 0, minPerSecond: 0 } }).call(call, payment, ids);
    expect(seen.at(-1)).toEqual({ name: 'retry-budget-exhausted', event: { ...names, attempt: 1 } });
  });

  it('hold no value of a request or an answer', async () => {
    bank.follow([{ kind: 'reject' }, { kind: 'ok' }, { kind: 'garbage', bytes: 'canary-answer\r\n\r\n' }]);
    const gateway = open({ origins: { bank: { url: bank.origin, headers: { authorization: 'Bearer canary-header' } } } });
    for (const idempotencyKey of ['a', 'b', 'c'])
      await gateway.call(payOrder(), { ...payment, orderId: 'canary-body' }, { ...ids, idempotencyKey });
    expect(seen).toHaveLength(6);
    expect(JSON.stringify(seen)).not.toMatch(/canary|insufficient|pay-[abc]/);
  });

  it('cost nothing when nobody listens', () => {
    for (const cleanUp of cleanUps.splice(0)) void cleanUp();
    emitGatewayEvent('throttled', () => {
      throw new Error('computed for nobody');
    });
    expect(seen).toEqual([]);
  });
});
