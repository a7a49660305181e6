import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { onGatewayEvent } from '../../src/gateway/gateway-events.ts';
import type { OriginLimits } from '../../src/gateway/origin-limits.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { ManualClock } from '../worker/support/manual-clock.ts';
import { payment, payOrder } from './support/payment-call.ts';

describe('Gateway and its own limits', () => {
  let bank: MockBank;
  let store: InMemoryExternalCallStore;
  let clock: ManualClock;
  const cleanUps: (() => unknown)[] = [];

  beforeEach(async () => {
    bank = await startMockBank();
    store = new InMemoryExternalCallStore();
    clock = new ManualClock();
  });

  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
    await bank.close();
  });

  const open = (limits: OriginLimits, options: Partial<GatewayOptions> = {}): Gateway => {
    const gateway = createGateway({ origins: { bank: { url: bank.origin, ...limits } }, store, clock, ...options });
    cleanUps.push(() => gateway.close());
    return gateway;
  };
  const ids = (idempotencyKey: string) => ({ idempotencyKey, correlationId: 'c' });
  const THROTTLED = { status: 'PENDING', attempt: 0, error: { code: 'CB_CALL_THROTTLED', acted: 'no', retryable: true } };

  /** One call that the bank has and will answer only when the connection is reset. */
  const occupy = async (gateway: Gateway, call = payOrder()) => {
    bank.follow([{ kind: 'never-answer' }]);
    const occupying = gateway.call(call, payment, ids('first'));
    await bank.seen(({ idempotencyKey }) => idempotencyKey === 'first');
    return { end: async () => (bank.resetConnections(), await occupying) };
  };

  it('sends and records nothing when there is no place and no queue', async () => {
    const gateway = open({ maxConcurrent: 1, maxQueued: 0 });
    const { end } = await occupy(gateway);
    expect(await gateway.call(payOrder(), payment, ids('second'))).toMatchObject({ ...THROTTLED, retryAfterMs: 2_000 });
    expect(store.calls.has('pay-order second')).toBe(false);
    await end();
    expect(await gateway.call(payOrder(), payment, ids('second'))).toMatchObject({ status: 'SUCCESS' });
    expect(bank.requests).toHaveLength(2);
  });

  it('waits for a place', async () => {
    const gateway = open({ maxConcurrent: 1 });
    const { end } = await occupy(gateway);
    const second = gateway.call(payOrder(), payment, ids('second'));
    await end();
    expect(await second).toMatchObject({ status: 'SUCCESS' });
  });

  it('waits no longer than it may, nor than the call may take', async () => {
    const gateway = open({ maxConcurrent: 1, maxWaitMs: 500 });
    const { end } = await occupy(gateway);
    const second = gateway.call(payOrder(), payment, ids('second'));
    const third = gateway.call(payOrder({ timeouts: { totalMs: 200 } }), payment, ids('third'));
    await clock.advance(200);
    expect(await third).toMatchObject(THROTTLED);
    await clock.advance(300);
    expect(await second).toMatchObject({ ...THROTTLED, error: { limit: 'concurrency' } });
    await end();
  });

  it('stops waiting when its caller gives up', async () => {
    const gateway = open({ maxConcurrent: 1 });
    const { end } = await occupy(gateway);
    const abort = new AbortController();
    const second = gateway.call(payOrder(), payment, { ...ids('second'), signal: abort.signal });
    await clock.advance(0);
    abort.abort(new Error('enough'));
    expect(await second).toMatchObject({
      status: 'PENDING',
      error: { code: 'CB_DEADLINE', phase: 'connect', cause: { message: 'enough' } },
    });
    expect(store.calls.has('pay-order second')).toBe(false);
    await end();
  });

  it('limits one call definition without holding up another', async () => {
    const gateway = open({});
    const narrow = payOrder({ limits: { maxConcurrent: 1, maxQueued: 0 } });
    const { end } = await occupy(gateway, narrow);
    expect(await gateway.call(narrow, payment, ids('second'))).toMatchObject(THROTTLED);
    expect(await gateway.call(payOrder({ name: 'other' }), payment, ids('second'))).toMatchObject({ status: 'SUCCESS' });
    await end();
  });

  it('has a place again before the end of a call is on record', async () => {
    const gateway = open({ maxConcurrent: 1, maxQueued: 0 });
    const slow = Promise.withResolvers<void>();
    store.fault.close = () => slow.promise;
    let second: Promise<unknown> | undefined;
    const first = gateway.call(payOrder(), payment, ids('first'));
    // The queue has no place, so until the first exchange is over it is told so.
    await vi.waitFor(async () => {
      second = gateway.call(payOrder(), payment, ids('second'));
      const isSent = bank.seen(({ idempotencyKey }) => idempotencyKey === 'second').then(() => 'sent');
      expect(await Promise.race([isSent, second])).toBe('sent');
    });
    slow.resolve();
    expect([await first, await second]).toMatchObject([{ status: 'SUCCESS' }, { status: 'SUCCESS' }]);
  });

  it('spaces calls by rate, waiting as long as it may', async () => {
    const gateway = open({ rate: { maxPerSecond: 1 }, maxWaitMs: 1_000 });
    expect(await gateway.call(payOrder(), payment, ids('a'))).toMatchObject({ status: 'SUCCESS' });
    const second = gateway.call(payOrder(), payment, ids('b'));
    expect(await gateway.call(payOrder(), payment, ids('c'))).toMatchObject({
      ...THROTTLED,
      retryAfterMs: 2_000,
      error: { limit: 'rate' },
    });
    expect(bank.requests).toHaveLength(1);
    await clock.advance(1_000);
    expect(await second).toMatchObject({ status: 'SUCCESS' });
    expect(store.calls.has('pay-order c')).toBe(false);
  });

  it('takes no turn for what is on record, nor for a call that was given up', async () => {
    const gateway = open({ rate: { maxPerSecond: 1, burst: 2 }, maxWaitMs: 1_000 });
    await gateway.call(payOrder(), payment, ids('a'));
    for (let again = 0; again < 5; again += 1)
      expect(await gateway.call(payOrder(), payment, ids('a'))).toMatchObject({ status: 'SUCCESS', replayed: true });
    expect(await gateway.call(payOrder(), payment, ids('b'))).toMatchObject({ status: 'SUCCESS' });
    const abort = new AbortController();
    const waiting = gateway.call(payOrder(), payment, { ...ids('c'), signal: abort.signal });
    await clock.advance(0);
    abort.abort();
    expect(await waiting).toMatchObject({ status: 'PENDING', error: { code: 'CB_DEADLINE' } });
    const last = gateway.call(payOrder(), payment, ids('d'));
    await clock.advance(1_000);
    expect(await last).toMatchObject({ status: 'SUCCESS' });
  });

  it('limits the rate of one call definition', async () => {
    const gateway = open({ maxWaitMs: 0 });
    const slow = payOrder({ limits: { rate: { maxPerSecond: 0.5 } } });
    expect(await gateway.call(slow, payment, ids('a'))).toMatchObject({ status: 'SUCCESS' });
    expect(await gateway.call(slow, payment, ids('b'))).toMatchObject({ ...THROTTLED, retryAfterMs: 2_000 });
    expect(await gateway.call(payOrder({ name: 'other' }), payment, ids('b'))).toMatchObject({ status: 'SUCCESS' });
  });

  it('makes no retry of its own once the budget is used up', async () => {
    await bank.close();
    const exhausted: number[] = [];
    cleanUps.push(onGatewayEvent('retry-budget-exhausted', ({ attempt }) => exhausted.push(attempt)));
    // Two retries in ten seconds; the third is not made.
    const gateway = open({ circuit: false, retryBudget: { retryShare: 0, minPerSecond: 0.2, windowMs: 10_000 } });
    const call = payOrder({ retry: { maxAttempts: 5, baseDelayMs: 1, maxDelayMs: 1 } });
    const running = gateway.call(call, payment, ids('a'));
    await vi.waitFor(async () => {
      await clock.advance(1);
      expect(exhausted).toEqual([3]);
    });
    expect(await running).toMatchObject({ status: 'PENDING', attempt: 3, error: { code: 'CB_CONNECT' } });
    expect(store.only().attempts).toBe(3);
  });

  it.each([
    [{ maxConcurrent: 0 }, 'pay-order.limits.maxConcurrent must be a whole number from 1 to 2147483647, got 0'],
    [{ maxQueued: -1 }, 'pay-order.limits.maxQueued must be a whole number from 0 to 2147483647, got -1'],
    [{ rate: { maxPerSecond: -2 } }, 'pay-order.limits.rate.maxPerSecond must be above 0 and at most 1000000, got -2'],
    [{ rate: { maxPerSecond: 1, burst: 1.5 } }, 'pay-order.limits.rate.burst must be a whole number from 1 to 2147483647, got 1.5'],
  ])('refuses a definition with %j', (limits, message) => {
    expect(() => payOrder({ limits })).toThrow(new RangeError(message));
  });
});
