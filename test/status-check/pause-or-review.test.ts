import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pauseOrReview } from '../../src/status-check/pause-or-review.ts';

const times = { afterMs: 300_000, maxDelayMs: 3_600_000, maxAgeMs: 86_400_000 };
const never = (): number => 0;
const always = (): number => 1;

describe('pauseOrReview', () => {
  it('doubles from afterMs up to maxDelayMs, with jitter on the upper half', () => {
    const pauses = [0, 1, 2, 3, 4, 50].map((checks) => {
      const unanswered = { checks, unknownForMs: 0, isCounted: true };
      return [pauseOrReview(unanswered, times, never), pauseOrReview(unanswered, times, always)].map(
        (next) => next.kind === 'pause' && next.afterMs / 60_000,
      );
    });
    expect(pauses).toEqual([
      [5, 10],
      [10, 20],
      [20, 40],
      [30, 60],
      [30, 60],
      [30, 60],
    ]);
  });

  it('asks for the last time at the maximum age, and then a person', () => {
    const old = { checks: 9, isCounted: true };
    expect(pauseOrReview({ ...old, unknownForMs: times.maxAgeMs - 1_000 }, times, always)).toEqual({ kind: 'pause', afterMs: 1_000 });
    expect(pauseOrReview({ ...old, unknownForMs: times.maxAgeMs }, times, always)).toEqual({ kind: 'review' });
  });

  it('puts nothing before a person that was never asked', () => {
    const unasked = { checks: 0, unknownForMs: 2 * times.maxAgeMs, isCounted: false };
    expect(pauseOrReview(unasked, times, always)).toEqual({ kind: 'pause', afterMs: 10_000 });
    expect(pauseOrReview({ ...unasked, checks: 1 }, times, always)).toEqual({ kind: 'review' });
    expect(pauseOrReview({ ...unasked, isCounted: true }, times, always)).toEqual({ kind: 'review' });
  });

  it('puts nothing before a person while an attempt is under way', () => {
    const old = { checks: 9, unknownForMs: 2 * times.maxAgeMs, isCounted: false, isInProgress: true };
    expect(pauseOrReview(old, times, never)).toMatchObject({ kind: 'pause' });
  });

  it('is short after a try that asked nobody, and never shorter than the institution wants', () => {
    const unasked = { checks: 5, unknownForMs: 0, isCounted: false };
    expect(pauseOrReview(unasked, times, never)).toEqual({ kind: 'pause', afterMs: 5_000 });
    expect(pauseOrReview({ ...unasked, retryAfterMs: 45_000 }, times, never)).toEqual({ kind: 'pause', afterMs: 45_000 });
    const last = { ...unasked, unknownForMs: times.maxAgeMs - 1_000, retryAfterMs: 45_000 };
    expect(pauseOrReview(last, times, never)).toEqual({ kind: 'pause', afterMs: 45_000 });
  });

  it('is a whole number of at least 0 within the bounds, whatever the figures', () => {
    const figure = fc.integer({ min: 1, max: 10 ** 12 });
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.nat(10 ** 9),
        fc.boolean(),
        figure,
        figure,
        figure,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (checks, unknownForMs, isCounted, afterMs, more, maxAgeMs, jitter) => {
          const bounds = { afterMs, maxDelayMs: afterMs + more, maxAgeMs };
          const next = pauseOrReview({ checks, unknownForMs, isCounted }, bounds, () => jitter);
          if (next.kind === 'review') return unknownForMs >= maxAgeMs;
          return Number.isSafeInteger(next.afterMs) && next.afterMs >= 1 && next.afterMs <= Math.max(bounds.maxDelayMs, 10_000);
        },
      ),
    );
  });
});
