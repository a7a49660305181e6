import { describe, expect, it } from 'vitest';
import { CallInFlightError, ConnectError } from '../../src/errors.ts';
import { RetryBudget } from '../../src/worker/retry-budget.ts';
import { ManualClock } from './support/manual-clock.ts';
import { success } from './support/scripted-gateway.ts';
import { harness, orderListener } from './support/worker-harness.ts';

const spendAll = (budget: RetryBudget): number => {
  let spent = 0;
  while (budget.spend()) spent += 1;
  return spent;
};

describe('Retry budget', () => {
  it('holds a minute of its floor at first, and fills by time up to that', async () => {
    const clock = new ManualClock();
    const budget = new RetryBudget({ budgetPercent: 20, budgetPerMinute: 60 }, clock);
    expect(spendAll(budget)).toBe(60);
    await clock.advance(10_000);
    expect(spendAll(budget)).toBe(10);
    await clock.advance(3_600_000);
    expect(spendAll(budget)).toBe(60);
  });

  it('fills by a part of the first deliveries, and by no redelivery', () => {
    const budget = new RetryBudget({ budgetPercent: 20, budgetPerMinute: 60 }, new ManualClock());
    spendAll(budget);
    for (let n = 0; n < 100; n += 1) budget.delivered(2);
    expect(spendAll(budget)).toBe(0);
    for (let n = 0; n < 101; n += 1) budget.delivered(1);
    expect(spendAll(budget)).toBe(20);
  });

  it('keeps an outage of ten minutes from becoming a storm; afterwards all of it is worked', async () => {
    const { clock, consumer, gateway, start } = harness();
    const error = new ConnectError('refused');
    let attempts = 0;
    gateway.answer = () => {
      attempts += 1;
      return { status: 'PENDING', error, retryAfterMs: undefined, attempt: 1 };
    };
    for (let n = 0; n < 1_000; n += 1) consumer.send({ orderId: `o-${n}` });
    const listener = orderListener({ retry: { budgetPercent: 10, budgetPerMinute: 30, maxMs: 120_000 } });
    const worker = start({ concurrency: 64, listener, deadLetter: async () => expect.unreachable('nothing is given up') });
    await clock.advance(600_000);
    // 1,000 first deliveries, 100 of their tenth, 30 at once and 300 of ten minutes; the rest waits one to two minutes each time.
    const overBudget = (1_000 * 600_000) / 60_000;
    expect(attempts).toBeLessThanOrEqual(1_000 + 100 + 330 + overBudget);
    expect(worker.stats().retried).toBe(attempts);
    gateway.answer = () => success();
    await clock.advance(400_000);
    expect(consumer.backlog).toBe(0);
    expect(consumer.deadLetters).toEqual([]);
    await worker.close();
  });

  it('is not spent on what was not tried', async () => {
    const { clock, consumer, gateway, start } = harness();
    const error = new CallInFlightError('elsewhere');
    gateway.answer = () => ({ status: 'PENDING', error, retryAfterMs: 100, attempt: 1 });
    for (let n = 0; n < 10; n += 1) consumer.send({ orderId: `o-${n}` });
    const worker = start({ listener: orderListener({ retry: { budgetPercent: 1, budgetPerMinute: 1 } }) });
    await clock.advance(0);
    expect(consumer.postponements.map(({ ms }) => ms)).toEqual(Array.from({ length: 10 }, () => 600));
    await worker.close();
  });

  it('makes what is over it come later, and says so', async () => {
    const { clock, consumer, gateway, lines, start } = harness();
    gateway.answer = () => Promise.reject(new Error('bug'));
    consumer.send({ orderId: 'o-1' });
    consumer.send({ orderId: 'o-2' });
    const worker = start({ listener: orderListener({ retry: { budgetPercent: 1, budgetPerMinute: 1, maxMs: 60_000 } }) });
    await clock.advance(0);
    expect(consumer.postponements.map(({ ms }) => ms)).toEqual([500, 45_000]);
    expect(lines.filter(({ fields }) => String(fields['reason']).endsWith('(over the retry budget)'))).toHaveLength(1);
    await worker.close();
  });
});
