import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MockBank, type MockBankStep, type SeenRequest, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { onGatewayEvent } from '../../src/gateway/gateway-events.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { payment, payOrder } from './support/payment-call.ts';
import { SkippingClock } from './support/skipping-clock.ts';

const MINUTE = 60_000;
const MAX_CONCURRENT = 8;
const FAILURES = 10;
const CIRCUIT = { consecutiveFailures: FAILURES, halfOpenAfterMs: 5_000, maxHalfOpenAfterMs: 60_000 };

/** Probes that fit into an outage when every pause is as short as jitter makes it. */
const mostProbes = (outageMs: number): number => {
  let probes = 0;
  for (let at = 0, round = 0; at <= outageMs; round += 1, probes += 1)
    at += Math.min(CIRCUIT.maxHalfOpenAfterMs, CIRCUIT.halfOpenAfterMs * 2 ** round) / 2;
  return probes;
};

/** Requests the bank had not answered yet when each one came, itself included. */
const inFlight = (requests: readonly SeenRequest[]): number[] =>
  requests.map(
    ({ headersAt }) => requests.filter((other) => other.headersAt <= headersAt && (other.answeredAt ?? Infinity) > headersAt).length,
  );

describe('Gateway and an institution in trouble', () => {
  let bank: MockBank;
  let store: InMemoryExternalCallStore;
  let clock: SkippingClock;
  let gateway: Gateway;
  let attempts: { at: number; status: string }[];
  let exchanging: number;
  let stops: (() => void)[];

  beforeEach(async () => {
    bank = await startMockBank();
    clock = new SkippingClock();
    store = new InMemoryExternalCallStore(() => clock.now());
    [attempts, exchanging] = [[], 0];
    stops = [
      onGatewayEvent('attempt-opened', () => (exchanging += 1)),
      onGatewayEvent('attempt-closed', ({ status }) => {
        exchanging -= 1;
        attempts.push({ at: clock.now(), status });
      }),
    ];
  });

  afterEach(async () => {
    for (const stop of stops) stop();
    await gateway.close();
    await bank.close();
  });

  const open = (options: Partial<GatewayOptions> = {}): void => {
    gateway = createGateway({ origins: { bank: bank.origin }, store, clock, circuit: CIRCUIT, maxConcurrent: MAX_CONCURRENT, ...options });
  };
  const call = payOrder({ retry: { maxAttempts: 3 }, timeouts: { readMs: 400 } });
  const pass = (ms: number, isDone?: () => boolean): Promise<void> => clock.pass(ms, () => exchanging > 0, isDone);

  const jittered = (ms: number): number => ms + Math.random() * 1_000;
  /** The worst of consumers: all of them come back at the same moment. */
  const inStep = (ms: number): number => Math.ceil((clock.now() + ms) / 10_000) * 10_000 - clock.now();

  /** What a consumer does with a message: comes again while it is PENDING, not before it may. */
  const consume = async (idempotencyKey: string, pauseMs = jittered): Promise<string> => {
    for (;;) {
      const outcome = await gateway.call(call, payment, { idempotencyKey, correlationId: 'c' });
      if (outcome.status !== 'PENDING') return outcome.status;
      await clock.sleep(pauseMs(outcome.retryAfterMs ?? 1_000));
    }
  };
  const consumeAll = (count: number, pauseMs?: (ms: number) => number) => {
    const ended = new Map<string, string>();
    for (let nth = 0; nth < count; nth += 1) void consume(`key-${nth}`, pauseMs).then((status) => ended.set(`key-${nth}`, status));
    return ended;
  };

  it('makes few attempts while it is down for ten minutes, does not overrun it after, and drains', async () => {
    const port = Number(new URL(bank.origin).port);
    await bank.close();
    open();
    const ended = consumeAll(200, inStep);
    const began = clock.now();
    await pass(10 * MINUTE);

    // Those that tripped it, those under way by then, and the probes.
    const bound = FAILURES + MAX_CONCURRENT + mostProbes(10 * MINUTE);
    expect(attempts.length).toBeLessThanOrEqual(bound);
    expect(attempts.length).toBeGreaterThan(FAILURES);
    expect(ended.size).toBe(0);
    expect(clock.now() - began).toBe(10 * MINUTE);

    bank = await startMockBank({ port, script: () => ({ kind: 'slow', delayMs: 5 }) });
    await pass(5 * MINUTE, () => ended.size === 200);
    expect([...ended.values()]).toEqual(Array.from({ length: 200 }, () => 'SUCCESS'));
    expect([...bank.effects.values()]).toEqual(Array.from({ length: 200 }, () => 1));
    // One at a time at first, one more for each answer, and never more than it can take.
    const flights = inFlight(bank.requests);
    const answeredBefore = bank.requests.map(
      ({ headersAt }) => bank.requests.filter((other) => (other.answeredAt ?? Infinity) <= headersAt).length,
    );
    expect(flights.every((count, nth) => count <= Math.min(MAX_CONCURRENT, 1 + answeredBefore[nth]!))).toBe(true);
    expect(Math.max(...flights)).toBeGreaterThan(1);
  });

  it('lets few calls become UNKNOWN while it is too slow for everybody, and makes the rest when it is well again', async () => {
    let isSlow = true;
    bank.follow(() => ({ kind: 'slow', delayMs: isSlow ? 1_200 : 1 }));
    open();
    const ended = consumeAll(200);
    await pass(3 * MINUTE);
    const unknown = [...ended.values()].filter((status) => status === 'UNKNOWN').length;
    expect(unknown).toBe(attempts.length);
    expect(unknown).toBeLessThanOrEqual(FAILURES + MAX_CONCURRENT + mostProbes(3 * MINUTE));

    isSlow = false;
    await pass(5 * MINUTE, () => ended.size === 200);
    expect([...ended.values()].filter((status) => status === 'SUCCESS')).toHaveLength(200 - unknown);
    expect([...bank.effects.values()].every((effects) => effects === 1)).toBe(true);
    expect(store.calls.size).toBe(200);
  });

  it('meets a flapping one with few calls in each bad half-minute', async () => {
    const HALF_MINUTE = 30_000;
    const began = clock.now();
    const isBad = (): boolean => Math.floor((clock.now() - began) / HALF_MINUTE) % 2 === 1;
    bank.follow((): MockBankStep => (isBad() ? { kind: 'bad-gateway', acts: false } : { kind: 'ok' }));
    open();
    const ended = new Map<string, string>();
    for (let nth = 0; nth < 1_200; nth += 1)
      void clock.sleep(nth * 500).then(async () => ended.set(`key-${nth}`, await consume(`key-${nth}`)));
    await pass(10 * MINUTE);
    await pass(2 * MINUTE, () => ended.size === 1_200);

    expect(ended.size).toBe(1_200);
    const unknown = [...ended.values()].filter((status) => status === 'UNKNOWN').length;
    // Ten bad half-minutes; without a circuit half of all calls would meet them.
    expect(unknown).toBeLessThanOrEqual(10 * (FAILURES + MAX_CONCURRENT + mostProbes(HALF_MINUTE)));
    expect(unknown).toBeGreaterThanOrEqual(10);
    expect(attempts).toHaveLength(1_200);
    expect([...bank.effects.values()].every((effects) => effects === 1)).toBe(true);
  });
});
