import { describe, expect, it, vi } from 'vitest';
import { Turns } from '../../src/store/turns.ts';

describe('Turns', () => {
  it('are given in the order they were asked for, never more at once than there are', async () => {
    const turns = new Turns(2);
    const given: number[] = [];
    const [first, second] = [await turns.take(1_000), await turns.take(1_000)];
    const waiting = [1, 2, 3].map(async (n) => {
      const done = await turns.take(1_000);
      given.push(n);
      return done;
    });
    await Promise.resolve();
    expect(given).toEqual([]);
    first();
    first();
    const done = await waiting[0]!;
    expect(given).toEqual([1]);
    second();
    await waiting[1];
    expect(given).toEqual([1, 2]);
    done();
    await waiting[2];
    expect(given).toEqual([1, 2, 3]);
  });

  it('are waited for so long and no longer, and take nothing when they come too late', async () => {
    vi.useFakeTimers();
    try {
      const turns = new Turns(1);
      const done = await turns.take(1_000);
      const late = turns.take(50).catch((error: unknown) => error);
      await vi.advanceTimersByTimeAsync(50);
      expect(String(await late)).toMatch('none was ready within 50 ms');
      done();
      expect(await turns.take(50)).toBeTypeOf('function');
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('end with the signal’s reason, for those who wait as for those who come later', async () => {
    const turns = new Turns(1);
    const done = await turns.take(1_000);
    const stop = new AbortController();
    const waiting = turns.take(1_000, stop.signal);
    stop.abort(new Error('killed'));
    await expect(waiting).rejects.toThrow('killed');
    done();
    await expect(turns.take(1_000, stop.signal)).rejects.toThrow('killed');
    expect(await turns.take(1_000)).toBeTypeOf('function');
  });
});
