import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type MockBank, type MockBankStep, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { ManualClock } from '../worker/support/manual-clock.ts';
import { payment, payOrder } from './support/payment-call.ts';

describe('Gateway and its circuits', () => {
  let bank: MockBank;
  let store: InMemoryExternalCallStore;
  let clock: ManualClock;
  const gateways: Gateway[] = [];

  beforeEach(async () => {
    bank = await startMockBank();
    store = new InMemoryExternalCallStore();
    clock = new ManualClock();
  });

  afterEach(async () => {
    await Promise.all(gateways.splice(0).map((gateway) => gateway.close()));
    await bank.close();
  });

  const open = (options: Partial<GatewayOptions> = {}): Gateway => {
    const circuit = { consecutiveFailures: 2, halfOpenAfterMs: 1_000 };
    const gateway = createGateway({ origins: { bank: bank.origin }, store, clock, circuit, ...options });
    gateways.push(gateway);
    return gateway;
  };
  let nth = 0;
  const pay = (gateway: Gateway, idempotencyKey = `key-${++nth}`, more: { signal?: AbortSignal; readMs?: number } = {}) =>
    gateway.call(payOrder({ timeouts: { readMs: more.readMs ?? 5_000, connectMs: 2_000 } }), payment, {
      idempotencyKey,
      correlationId: 'c',
      ...(more.signal && { signal: more.signal }),
    });
  const BROKEN: MockBankStep = { kind: 'bad-gateway' };
  const stateOf = (gateway: Gateway) => gateway.circuits()[0]?.state;

  it('sends and records nothing while open, and burns no attempt', async () => {
    const gateway = open();
    bank.follow([BROKEN, BROKEN]);
    await pay(gateway);
    await pay(gateway);
    const outcome = await pay(gateway, 'held-back');

    expect(outcome).toMatchObject({
      status: 'PENDING',
      attempt: 0,
      retryAfterMs: expect.any(Number),
      error: { code: 'CB_CIRCUIT_OPEN', acted: 'no', retryable: true },
    });
    expect(outcome.status === 'PENDING' && outcome.retryAfterMs).toBeLessThanOrEqual(1_000);
    expect(bank.requests).toHaveLength(2);
    expect(store.calls.has('pay-order held-back')).toBe(false);
  });

  it('lets one probe through, and everybody once that is answered', async () => {
    const gateway = open();
    bank.follow([BROKEN, BROKEN, { kind: 'slow', delayMs: 50 }]);
    await pay(gateway);
    await pay(gateway);
    await clock.advance(1_000);
    expect(stateOf(gateway)).toBe('half-open');

    const [probe, other] = await Promise.all([pay(gateway, 'probe'), pay(gateway, 'other')]);
    expect(probe).toMatchObject({ status: 'SUCCESS' });
    expect(other).toMatchObject({ status: 'PENDING', error: { code: 'CB_CIRCUIT_OPEN' } });
    expect(store.calls.has('pay-order other')).toBe(false);
    expect(stateOf(gateway)).toBe('closed');
    expect(await pay(gateway, 'other')).toMatchObject({ status: 'SUCCESS' });
  });

  it('stays open after a probe that fails', async () => {
    const gateway = open();
    bank.follow([BROKEN, BROKEN, BROKEN]);
    await pay(gateway);
    await pay(gateway);
    await clock.advance(1_000);
    expect(await pay(gateway)).toMatchObject({ status: 'UNKNOWN' });
    expect(gateway.circuits()).toEqual([
      { origin: 'bank', state: 'open', sinceMs: 0, nextProbeInMs: expect.any(Number) as number, failures: 3 },
    ]);
  });

  it('gives a recorded outcome only when it is not open, and does not take that for a probe', async () => {
    const gateway = open();
    await pay(gateway, 'paid');
    bank.follow([BROKEN, BROKEN]);
    await pay(gateway);
    await pay(gateway);
    expect(await pay(gateway, 'paid')).toMatchObject({ status: 'PENDING', error: { code: 'CB_CIRCUIT_OPEN' } });
    await clock.advance(1_000);
    expect(await pay(gateway, 'paid')).toMatchObject({ status: 'SUCCESS', replayed: true });
    expect(stateOf(gateway)).toBe('half-open');
    expect(await pay(gateway)).toMatchObject({ status: 'SUCCESS' });
    expect(stateOf(gateway)).toBe('closed');
  });

  const faults: [string, MockBankStep, 'open' | 'closed'][] = [
    ['a 502', { kind: 'bad-gateway' }, 'open'],
    ['a 503 without Retry-After', { kind: 'unavailable' }, 'open'],
    ['no headers in time', { kind: 'never-answer' }, 'open'],
    ['a stalled body', { kind: 'stall-body' }, 'open'],
    ['a reset', { kind: 'reset', when: 'after-body' }, 'open'],
    ['bytes that are not HTTP', { kind: 'garbage' }, 'open'],
    ['a refusal', { kind: 'reject' }, 'closed'],
    ['a 429', { kind: 'answer', status: 429 }, 'closed'],
    ['a 503 with Retry-After', { kind: 'unavailable', retryAfter: '1' }, 'closed'],
    ['a redirect', { kind: 'answer', status: 302, headers: { location: '/' } }, 'closed'],
    ['an answer of another shape', { kind: 'answer', status: 200, body: 'hello' }, 'closed'],
  ];

  it.each(faults)('after %s is %s', async (_, step, state) => {
    const gateway = open({ circuit: { consecutiveFailures: 1 } });
    bank.follow([step]);
    await pay(gateway, 'key', { readMs: 300 });
    expect(stateOf(gateway)).toBe(state);
  });

  it('opens when nobody listens, and makes no further attempt in the same call', async () => {
    await bank.close();
    const gateway = open();
    const running = gateway.call(payOrder({ retry: { maxAttempts: 5, baseDelayMs: 1 } }), payment, {
      idempotencyKey: 'k',
      correlationId: 'c',
    });
    await vi.waitFor(async () => {
      await clock.advance(10);
      expect(stateOf(gateway)).toBe('open');
    });
    await clock.advance(100);
    // What the attempts came to says more than that there was no third.
    expect(await running).toMatchObject({ status: 'PENDING', attempt: 2, error: { code: 'CB_CONNECT' } });
  });

  it('does not count calls that we cancel ourselves', async () => {
    const gateway = open({ circuit: { consecutiveFailures: 1 } });
    bank.follow([{ kind: 'never-answer' }]);
    const abort = new AbortController();
    const call = pay(gateway, 'cancelled', { signal: abort.signal });
    await bank.seen(({ idempotencyKey }) => idempotencyKey === 'cancelled');
    abort.abort();
    expect(await call).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_DEADLINE' } });
    expect(stateOf(gateway)).toBe('closed');
  });

  it('does not count that a request could not be recorded, and is not stuck on it as a probe', async () => {
    const gateway = open({ circuit: { consecutiveFailures: 1, halfOpenAfterMs: 1_000 } });
    store.fault.open = () => Promise.reject(new Error('database down'));
    await expect(pay(gateway)).rejects.toMatchObject({ code: 'CB_AUDIT_UNAVAILABLE' });
    expect(stateOf(gateway)).toBe('closed');
    store.fault = {};
    bank.follow([BROKEN]);
    await pay(gateway);
    await clock.advance(1_000);
    store.fault.open = () => Promise.reject(new Error('database down'));
    await expect(pay(gateway)).rejects.toMatchObject({ code: 'CB_AUDIT_UNAVAILABLE' });
    store.fault = {};
    expect(await pay(gateway)).toMatchObject({ status: 'SUCCESS' });
  });

  it('keeps origins apart, and can be left out for one', async () => {
    const other = await startMockBank();
    try {
      const gateway = open({ origins: { bank: bank.origin, other: { url: other.origin, circuit: false } } });
      expect(gateway.circuits().map(({ origin }) => origin)).toEqual(['bank']);
      other.follow(() => BROKEN);
      const elsewhere = payOrder({ origin: 'other' });
      for (const idempotencyKey of ['a', 'b', 'c', 'd']) await gateway.call(elsewhere, payment, { idempotencyKey, correlationId: 'c' });
      expect(other.requests).toHaveLength(4);
      expect(await pay(gateway)).toMatchObject({ status: 'SUCCESS' });
    } finally {
      await other.close();
    }
  });

  it('tells of every change until told to stop, whatever other listeners do', async () => {
    const error = vi.fn<(fields: object, message: string) => void>();
    const gateway = open({ logger: { ...silentLogger, error } });
    const changes: string[] = [];
    gateway.onCircuitChange(() => {
      throw new Error('not ours');
    });
    const stop = gateway.onCircuitChange(({ origin, state }, before) => changes.push(`${origin} ${before} ${state}`));
    bank.follow([BROKEN, BROKEN]);
    await pay(gateway);
    await pay(gateway);
    // Nobody calls: whoever has paused is told when to go on.
    await clock.advance(1_000);
    stop();
    await pay(gateway);
    expect(changes).toEqual(['bank closed open', 'bank open half-open']);
    expect(stateOf(gateway)).toBe('closed');
    expect(error).toHaveBeenCalledTimes(3);
  });

  it('leaves no timer behind when it is closed', async () => {
    const gateway = open({ circuit: { consecutiveFailures: 1 } });
    bank.follow([BROKEN]);
    await pay(gateway);
    expect(clock.timers).toBe(1);
    await gateway.close();
    expect(clock.timers).toBe(0);
  });

  it('refuses options that cannot be', () => {
    expect(() => open({ circuit: { consecutiveFailures: 0 } })).toThrow('origins.bank.circuit.consecutiveFailures');
    expect(() => open({ origins: { bank: { url: bank.origin, maxConcurrent: 0 } } })).toThrow('origins.bank.maxConcurrent');
    expect(() => open({ rate: { maxPerSecond: 0 } })).toThrow('origins.bank.rate.maxPerSecond');
    expect(() => open({ rate: { maxPerSecond: 1, burst: 0 } })).toThrow('origins.bank.rate.burst');
    expect(() => open({ maxWaitMs: -1 })).toThrow('origins.bank.maxWaitMs');
    expect(() => open({ retryBudget: { retryShare: 2 } })).toThrow('origins.bank.retryBudget.retryShare');
  });
});
