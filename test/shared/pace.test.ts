import { describe, expect, it } from 'vitest';
import { paced } from '../../src/shared/pace.ts';
import { ManualClock } from '../worker/support/manual-clock.ts';

describe('paced', () => {
  it('lets so many through in a second, evenly, the first at once', async () => {
    const clock = new ManualClock();
    const begin = clock.now();
    const wait = paced(4, clock);
    const times: number[] = [];
    const running = (async () => {
      for (let turn = 0; turn < 9; turn += 1) {
        await wait();
        times.push(clock.now() - begin);
      }
    })();
    await clock.advance(2_000);
    await running;
    expect(times).toEqual([0, 250, 500, 750, 1_000, 1_250, 1_500, 1_750, 2_000]);
  });

  it('makes up for no time that nobody used', async () => {
    const clock = new ManualClock();
    const wait = paced(1, clock);
    await wait();
    await clock.advance(10_000);
    await wait();
    let isThrough = false;
    const third = wait().then(() => (isThrough = true));
    await clock.advance(999);
    expect(isThrough).toBe(false);
    await clock.advance(1);
    await third;
  });

  it('is given up when told', async () => {
    const clock = new ManualClock();
    const wait = paced(1, clock);
    await wait();
    const stop = new AbortController();
    const waiting = wait(stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(clock.timers).toBe(0);
  });
});
