import { createInterface } from 'node:readline';
import type { Loaded } from './loaded.ts';
import { closedLoop, openLoop, type Order } from './loops.ts';

/** What a process can be loaded with. */
export interface Loadable {
  readonly order: Order;
  /** Resolves when nothing of it runs on behind its callers' backs. */
  settle(): Promise<void>;
  /** Questions of the broker so far. Default: none is asked. */
  checks?(): number;
  /** Does one more thing it is told, for example a clean-up; its processor time is told like a round's. */
  readonly chores?: Readonly<Record<string, () => Promise<void>>>;
  close(): Promise<void>;
}

/**
 * Says `ready`, then bears what it is told on standard input, a line each, and answers with a line of JSON: `closed
 * <inFlight> <orders>`, `open <perSecond> <ms>`, or the name of a chore. Ends with its parent's end of the pipe.
 */
export async function serveLoad(loadable: Loadable): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  process.stdout.write('ready\n');
  for await (const line of lines) process.stdout.write(`${JSON.stringify(await bear(loadable, line))}\n`);
  await loadable.close();
}

async function bear({ order, settle, checks, chores }: Loadable, line: string): Promise<Loaded> {
  const [kind = '', first = '', second = ''] = line.split(' ');
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const loop = async () => {
    if (kind === 'closed') return closedLoop(order, Number(first), Number(second));
    if (kind === 'open') return openLoop(order, Number(first), Number(second));
    const chore = chores?.[kind];
    if (chore === undefined) throw new Error(`nobody knows how to ${line}`);
    await chore();
    return undefined;
  };
  const seen = await loop();
  await settle();
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    orders: seen?.orders ?? 0,
    failed: seen?.failed ?? 0,
    wallMs,
    cpuUs: user + system,
    p50Ms: seen?.latencies.percentile(50) ?? 0,
    p99Ms: seen?.latencies.percentile(99) ?? 0,
    openAtMiddle: seen?.openAtMiddle ?? 0,
    openAtEnd: seen?.openAtEnd ?? 0,
    rssBytes: process.memoryUsage.rss(),
    checks: checks?.() ?? 0,
  };
}
