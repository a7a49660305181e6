import { describe, expect, it } from 'vitest';
import { resolveRetryBudget, RetryBudget } from '../../src/gateway/retry-budget.ts';
import { ManualClock } from '../worker/support/manual-clock.ts';

const retriesLeft = (budget: RetryBudget): number => {
  let retries = 0;
  while (budget.takeRetry()) retries += 1;
  return retries;
};

describe('RetryBudget', () => {
  it('allows a share of the calls of its window, and a few on top', () => {
    const budget = new RetryBudget(resolveRetryBudget('b', { retryShare: 0.2, minPerSecond: 1, windowMs: 10_000 }), new ManualClock());
    for (let nth = 0; nth < 100; nth += 1) budget.countCall();
    expect(retriesLeft(budget)).toBe(30);
  });

  it('allows what the floor says without any traffic, and nothing without a floor', () => {
    const clock = new ManualClock();
    expect(retriesLeft(new RetryBudget(resolveRetryBudget('b', {}), clock))).toBe(100);
    expect(retriesLeft(new RetryBudget(resolveRetryBudget('b', { minPerSecond: 0 }), clock))).toBe(0);
  });

  it('forgets what has left the window', async () => {
    const clock = new ManualClock();
    const budget = new RetryBudget(resolveRetryBudget('b', { retryShare: 0.5, minPerSecond: 0, windowMs: 10_000 }), clock);
    for (let nth = 0; nth < 10; nth += 1) budget.countCall();
    expect(retriesLeft(budget)).toBe(5);
    await clock.advance(5_000);
    for (let nth = 0; nth < 4; nth += 1) budget.countCall();
    await clock.advance(5_000);
    // The ten calls and their five retries are gone; the four are not.
    expect(budget.takeRetry()).toBe(true);
    await clock.advance(10_000);
    for (let nth = 0; nth < 2; nth += 1) budget.countCall();
    expect(retriesLeft(budget)).toBe(1);
  });

  it('keeps below its bound over ten minutes of nothing but failures', async () => {
    const clock = new ManualClock();
    const budget = new RetryBudget(resolveRetryBudget('b', {}), clock);
    let [calls, retries] = [0, 0];
    for (let second = 0; second < 600; second += 1) {
      for (let nth = 0; nth < 50; nth += 1) {
        budget.countCall();
        calls += 1;
        for (let again = 0; again < 2; again += 1) if (budget.takeRetry()) retries += 1;
      }
      await clock.advance(1_000);
    }
    // A share of the calls, and the floor in each window begun.
    expect(retries).toBeLessThanOrEqual(calls * 0.2 + 10 * 10 * (600 / 10 + 1));
    expect(retries).toBeGreaterThan(calls * 0.2);
  });

  it.each([
    ['retryShare', 1.1],
    ['retryShare', -0.1],
    ['minPerSecond', Number.POSITIVE_INFINITY],
    ['windowMs', 9],
  ])('refuses %s %d', (name, value) => {
    const resolve = () => resolveRetryBudget('retryBudget', { [name]: value });
    expect(resolve).toThrow(RangeError);
    expect(resolve).toThrow(new RegExp(`^retryBudget\\.${name} must .* got ${value}$`));
  });
});
