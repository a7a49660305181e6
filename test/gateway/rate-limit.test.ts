import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../src/gateway/rate-limit.ts';
import { ManualClock } from '../worker/support/manual-clock.ts';

describe('RateLimit', () => {
  it('spaces calls evenly, and lets the first go at once', () => {
    const rate = new RateLimit({ maxPerSecond: 10 }, new ManualClock());
    expect([1, 2, 3].map(() => rate.reserve(1_000).waitMs)).toEqual([0, 100, 200]);
  });

  it('lets a burst go at once after a quiet time', async () => {
    const clock = new ManualClock();
    const rate = new RateLimit({ maxPerSecond: 10, burst: 3 }, clock);
    expect([1, 2, 3, 4].map(() => rate.reserve(1_000).waitMs)).toEqual([0, 0, 0, 100]);
    await clock.advance(10_000);
    expect([1, 2, 3, 4].map(() => rate.reserve(1_000).waitMs)).toEqual([0, 0, 0, 100]);
  });

  it('takes no turn that is too far off, and says how far it is', () => {
    const rate = new RateLimit({ maxPerSecond: 2 }, new ManualClock());
    rate.reserve(0);
    expect(rate.reserve(499)).toEqual({ taken: false, waitMs: 500 });
    expect(rate.reserve(500)).toEqual({ taken: true, waitMs: 500 });
  });

  it('gives a turn back', () => {
    const rate = new RateLimit({ maxPerSecond: 1 }, new ManualClock());
    rate.reserve(0);
    rate.giveBack();
    expect(rate.reserve(0)).toEqual({ taken: true, waitMs: 0 });
  });

  it('goes on as before when the clock was set back', () => {
    const clock = new ManualClock();
    let now = clock.now();
    clock.now = () => now;
    const rate = new RateLimit({ maxPerSecond: 10 }, clock);
    rate.reserve(0);
    now -= 3_600_000;
    expect(rate.reserve(1_000)).toEqual({ taken: true, waitMs: 100 });
    expect(rate.reserve(1_000)).toEqual({ taken: true, waitMs: 200 });
  });

  it('begins at most rate + burst calls in any second, whatever the times they come at', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 60 }),
        async (maxPerSecond, burst, gaps) => {
          const clock = new ManualClock();
          let now = 0;
          clock.now = () => now;
          const rate = new RateLimit({ maxPerSecond, burst }, clock);
          const begun: number[] = [];
          for (const gap of gaps) {
            now += gap;
            const { taken, waitMs } = rate.reserve(500);
            if (taken) begun.push(now + waitMs);
          }
          for (const from of begun)
            expect(begun.filter((at) => at >= from && at < from + 1_000).length).toBeLessThanOrEqual(maxPerSecond + burst);
        },
      ),
    );
  });
});
