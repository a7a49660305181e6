import { latencies, type Latencies } from './latencies.ts';

/** One order, from its call to its answer; told when it was meant to begin, on the clock of `performance.now()`. */
export type Order = (meantAt: number) => Promise<unknown>;

/** What a loop saw; `settle` and processor time are its caller's. */
export interface Seen {
  readonly orders: number;
  readonly failed: number;
  readonly latencies: Latencies;
  readonly openAtMiddle: number;
  readonly openAtEnd: number;
}

/** Saturates: always `inFlight` orders under way, the next one as soon as one is answered. Failures are counted, not repeated. */
export async function closedLoop(order: Order, inFlight: number, orders: number): Promise<Seen> {
  const seen = latencies();
  let left = orders;
  let failed = 0;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const startedAt = performance.now();
      try {
        await order(startedAt);
        seen.record(performance.now() - startedAt);
      } catch {
        failed += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, orders) }, lane));
  return { orders, failed, latencies: seen, openAtMiddle: 0, openAtEnd: 0 };
}

/**
 * Begins orders at a fixed rate, whatever becomes of those before them. Latency counts from the moment an order was meant
 * to begin, so that a standstill is felt by every order it held up, not by one.
 */
export async function openLoop(order: Order, perSecond: number, ms: number): Promise<Seen> {
  const seen = latencies();
  const orders = Math.max(1, Math.round((perSecond * ms) / 1_000));
  const running = new Set<Promise<void>>();
  let failed = 0;
  let openAtMiddle = 0;
  let openAtEnd = 0;
  const startedAt = performance.now();
  const begin = async (meantAt: number): Promise<void> => {
    try {
      await order(meantAt);
      seen.record(performance.now() - meantAt);
    } catch {
      failed += 1;
    }
  };
  for (let nth = 0; nth < orders;) {
    const due = Math.min(orders, Math.floor(((performance.now() - startedAt) * perSecond) / 1_000) + 1);
    for (; nth < due; nth += 1) {
      const work = begin(startedAt + (nth * 1_000) / perSecond);
      running.add(work);
      void work.then(() => running.delete(work));
      if (nth === Math.floor(orders / 2)) openAtMiddle = running.size;
      openAtEnd = running.size;
    }
    // A millisecond of clock is a few orders at most; begun late they still count from when they were due.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(running);
  return { orders, failed, latencies: seen, openAtMiddle, openAtEnd };
}
