import { describe, expect, it } from 'vitest';
import { closedLoop, openLoop } from '../../bench/load/loops.ts';

describe('closedLoop', () => {
  it('keeps as many orders under way as it was told, and runs exactly as many as were asked for', async () => {
    let running = 0;
    let most = 0;
    let calls = 0;
    const seen = await closedLoop(
      async () => {
        calls += 1;
        most = Math.max(most, (running += 1));
        await Promise.resolve();
        running -= 1;
      },
      4,
      50,
    );
    expect({ calls, most, orders: seen.orders, failed: seen.failed }).toEqual({ calls: 50, most: 4, orders: 50, failed: 0 });
  });

  it('counts what fails and does not repeat it', async () => {
    let calls = 0;
    const seen = await closedLoop(
      async () => {
        calls += 1;
        if (calls % 2 === 0) throw new Error('no');
      },
      1,
      10,
    );
    expect({ calls, failed: seen.failed }).toEqual({ calls: 10, failed: 5 });
  });
});

describe('openLoop', () => {
  it('begins every order although none of them ends', async () => {
    const ends = Promise.withResolvers<void>();
    let begun = 0;
    const loop = openLoop(
      () => {
        begun += 1;
        return ends.promise;
      },
      1_000,
      50,
    );
    await expect.poll(() => begun).toBe(50);
    ends.resolve();
    const seen = await loop;
    expect({ orders: seen.orders, openAtMiddle: seen.openAtMiddle, openAtEnd: seen.openAtEnd }).toEqual({
      orders: 50,
      openAtMiddle: 26,
      openAtEnd: 50,
    });
  });

  it('counts latency from the moment an order was meant to begin, so that a standstill is felt by all it held up', async () => {
    const meant: number[] = [];
    let isFirst = true;
    const seen = await openLoop(
      async (meantAt) => {
        meant.push(meantAt);
        if (!isFirst) return;
        isFirst = false;
        // The whole process stands still: no order begins meanwhile.
        const until = performance.now() + 60;
        while (performance.now() < until);
      },
      1_000,
      50,
    );
    expect(meant.map((at, nth) => Math.round((at - meant[0]!) * 1_000 - nth * 1_000))).toEqual(Array(50).fill(0));
    expect(seen.latencies.percentile(0)).toBeGreaterThan(5);
  });
});
