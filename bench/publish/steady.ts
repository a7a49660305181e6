import type { Loaded } from '../load/loaded.ts';

/** What a long run came to: whether the last orders cost what the first ones did. */
export interface Steady {
  /** Processor time an order: the last part over orders 1,001 to 10,000 (or the like in a quick run). */
  readonly cpuGrowth: number;
  readonly rssGrowth: number;
  readonly orders: number;
  readonly failed: number;
  readonly wallMs: number;
  /** Orders by then, microseconds of processor time an order, bytes resident. */
  readonly points: readonly { readonly orders: number; readonly cpuUs: number; readonly rssBytes: number }[];
}

/**
 * Drives one fresh process through `orders` orders, or as many as it takes in `maxMs`. The first `warmUp` of them do not
 * count: they are its start.
 */
export async function runSteady(
  tell: (command: string) => Promise<Loaded>,
  { inFlight, warmUp, part, orders, maxMs }: { inFlight: number; warmUp: number; part: number; orders: number; maxMs: number },
  signal: AbortSignal,
): Promise<Steady> {
  const start = await tell(`closed ${inFlight} ${warmUp}`);
  const points: { orders: number; cpuUs: number; rssBytes: number }[] = [];
  let { failed, wallMs, orders: done } = start;
  while (points.length < 2 || (done < orders && wallMs < maxMs)) {
    signal.throwIfAborted();
    // The first part ends where the second begins, at a whole number of parts.
    const loaded = await tell(`closed ${inFlight} ${part - (done % part)}`);
    done += loaded.orders;
    failed += loaded.failed;
    wallMs += loaded.wallMs;
    points.push({ orders: done, cpuUs: loaded.cpuUs / loaded.orders, rssBytes: loaded.rssBytes });
  }
  const [first, last] = [points[0]!, points.at(-1)!];
  return { cpuGrowth: last.cpuUs / first.cpuUs, rssGrowth: last.rssBytes / first.rssBytes, orders: done, failed, wallMs, points };
}
