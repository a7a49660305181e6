import { beforeEach, describe, expect, it } from 'vitest';
import { Bulkhead } from '../../src/gateway/bulkhead.ts';
import { ManualClock, settled } from '../worker/support/manual-clock.ts';

describe('Bulkhead', () => {
  let clock: ManualClock;

  beforeEach(() => {
    clock = new ManualClock();
  });

  it('lets so many in at once and the rest in the order they came', async () => {
    const bulkhead = new Bulkhead(2, 10, clock);
    expect([bulkhead.tryEnter(), bulkhead.tryEnter(), bulkhead.tryEnter()]).toEqual([true, true, false]);
    const order: string[] = [];
    const waiting = ['a', 'b', 'c'].map((name) => bulkhead.enter(1_000).then((isIn) => isIn && order.push(name)));
    bulkhead.leave();
    await settled();
    expect(order).toEqual(['a']);
    // Nobody overtakes those that wait.
    expect(bulkhead.tryEnter()).toBe(false);
    bulkhead.leave();
    bulkhead.leave();
    await Promise.all(waiting);
    expect(order).toEqual(['a', 'b', 'c']);
    expect(clock.timers).toBe(0);
  });

  it('turns one more away at once when the queue is full, or nobody may wait', async () => {
    const bulkhead = new Bulkhead(1, 1, clock);
    bulkhead.tryEnter();
    const first = bulkhead.enter(1_000);
    expect(await bulkhead.enter(1_000)).toBe(false);
    bulkhead.leave();
    expect(await first).toBe(true);
    expect(await new Bulkhead(1, 10, clock).enter(0)).toBe(true);
    expect(await bulkhead.enter(0)).toBe(false);
  });

  it('gives up after its time, and leaves no place in the queue behind', async () => {
    const bulkhead = new Bulkhead(1, 1, clock);
    bulkhead.tryEnter();
    const late = bulkhead.enter(1_000);
    await clock.advance(1_000);
    expect(await late).toBe(false);
    const next = bulkhead.enter(1_000);
    bulkhead.leave();
    expect(await next).toBe(true);
    bulkhead.leave();
    expect(bulkhead.tryEnter()).toBe(true);
  });

  it('gives up when the signal aborts, before and while it waits', async () => {
    const bulkhead = new Bulkhead(1, 1, clock);
    bulkhead.tryEnter();
    expect(await bulkhead.enter(1_000, AbortSignal.abort())).toBe(false);
    const abort = new AbortController();
    const waiting = bulkhead.enter(1_000, abort.signal);
    abort.abort();
    expect(await waiting).toBe(false);
    expect(clock.timers).toBe(0);
    bulkhead.leave();
    expect(bulkhead.tryEnter()).toBe(true);
  });

  it('keeps a place that was given in the very moment of giving up', async () => {
    const bulkhead = new Bulkhead(1, 1, clock);
    bulkhead.tryEnter();
    const abort = new AbortController();
    const waiting = bulkhead.enter(1_000, abort.signal);
    abort.abort();
    bulkhead.leave();
    expect(await waiting).toBe(true);
    expect(bulkhead.tryEnter()).toBe(false);
    bulkhead.leave();
    expect(bulkhead.tryEnter()).toBe(true);
  });

  it('opens up one by one after it was narrowed', async () => {
    const bulkhead = new Bulkhead(3, 10, clock);
    bulkhead.narrow();
    let isIn = 0;
    const all = [1, 2, 3, 4].map(() => bulkhead.enter(1_000).then(() => (isIn += 1)));
    await settled();
    expect(isIn).toBe(1);
    bulkhead.widen();
    await settled();
    expect(isIn).toBe(2);
    bulkhead.widen();
    bulkhead.widen();
    await settled();
    expect(isIn).toBe(3);
    bulkhead.leave();
    await Promise.all(all);
  });
});
