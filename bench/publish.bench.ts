import { type Cost, startMeter } from './cost/meter.ts';
import { type FullStack, openFullStack } from './full-stack.ts';
import type { Loaded } from './load/loaded.ts';
import { roundSize } from './load/round-size.ts';
import { findSustainable } from './load/sustained.ts';
import { interleave, measured } from './measure.ts';
import { countMessages, type PublishChild, startEveryVariant, startVariant } from './publish/children.ts';
import { reportPublish } from './publish/report.ts';
import { runSteady, type Steady } from './publish/steady.ts';
import { VARIANTS } from './publish/variants.ts';
import type { BenchOptions, Section } from './section.ts';

const IN_FLIGHT = 64;
/** The clients of the broker side by side, where a lean one has most to win. */
const MANY_IN_FLIGHT = 256;
const ROUND_MS = 1_500;
const LEAST_ORDERS = 300;
/** Java's compiler, above all, goes on for seconds; a client that is still being compiled is no floor. */
const CLIENT_WARM_UP_MS = 6_000;
/** Parts of what `publish` takes when it is saturated: the open loop's rate, and those tried for the highest sustained. */
const OPEN_SHARE = 0.5;
const SUSTAINABLE_SHARES = [0.6, 0.7, 0.8, 0.9, 1];
/** A lost END is asked about after 30 s, in rounds of 30 s. */
const LATE_END_MS = 90_000;

type Rounds<T> = Record<string, T[]>;

/**
 * What `publish()` costs beside its floors: the bare local transaction, and a bare half message with its END by the
 * official client of this language, by our own path, and by the official client of Java. Each is a process of its own.
 */
export const benchPublish: Section = async (options) => {
  const { isQuick, signal, say } = options;
  const repeats = isQuick ? 1 : 5;
  const openMs = isQuick ? 1_000 : 1_500;
  const stack = await openFullStack(options);
  const closers: (() => Promise<unknown>)[] = [() => stack.close()];
  try {
    const children = await startEveryVariant(stack, IN_FLIGHT, signal);
    for (const child of Object.values(children)) closers.push(() => child.close());

    if (!isQuick) await warmClientsUp(children, signal);
    const { rates, loads, costs } = await saturate(stack, children, { repeats, options });
    const most = measured('orders/s', rates['publish']!).median;
    const openRate = Math.max(20, Math.round(most * OPEN_SHARE));
    const opened = await openLoops(children, { openRate, openMs, repeats, options });
    const shares = SUSTAINABLE_SHARES.map((share) => Math.round(most * share));
    const sustainable = await findSustainable(shares, openMs * 2, (command) => children['publish']!.tell(command));
    say(`publish sustains ${sustainable} orders/s`);

    const longRun = await startVariant(stack, 'publish', IN_FLIGHT, signal);
    closers.push(() => longRun.close());
    const steady = await runLong(longRun, options);

    const publishing = [longRun, ...Object.entries(children).flatMap(([name, child]) => (name.startsWith('publish') ? [child] : []))];
    const { duplicates, missing } = await countMessages(stack, publishing, LATE_END_MS);
    const checks = publishing.reduce((sum, child) => sum + child.taken().checks, 0);
    const conditions = {
      ...stack.facts,
      transactionTimeOut: await stack.admin.brokerConfig('transactionTimeOut'),
      inFlight: IN_FLIGHT,
      inFlightOfManyClients: MANY_IN_FLIGHT,
      databaseConnections: IN_FLIGHT,
      roundMs: ROUND_MS,
      leastOrdersARound: LEAST_ORDERS,
      openLoopRate: openRate,
      openLoopMs: openMs,
      longRunOrders: steady.orders,
      processes: 'one a variant',
    };
    return reportPublish({ conditions, rates, loads, costs, opened, openRate, openMs, sustainable, steady, checks, duplicates, missing });
  } finally {
    for (const closer of closers.toReversed()) await closer();
  }
};

interface Run {
  readonly repeats: number;
  readonly options: BenchOptions;
}

async function warmClientsUp(children: Record<string, PublishChild>, signal: AbortSignal): Promise<void> {
  for (const [name, child] of Object.entries(children)) {
    if (!name.startsWith('half')) continue;
    const endsAt = performance.now() + CLIENT_WARM_UP_MS;
    while (performance.now() < endsAt) {
      signal.throwIfAborted();
      await child.tell(`closed ${MANY_IN_FLIGHT} 1000`);
    }
  }
}

/** Every variant with `IN_FLIGHT`, and the broker's clients with many. */
async function saturate(stack: FullStack, children: Record<string, PublishChild>, { repeats, options: { isQuick, signal, say } }: Run) {
  const loads: Rounds<Loaded> = {};
  const costs: Rounds<Cost> = {};
  const size = roundSize(isQuick ? 0 : ROUND_MS, LEAST_ORDERS);
  const rounds = Object.entries(children).flatMap(([name, child]) => {
    const round = (key: string, inFlight: number) => {
      const run = async (): Promise<number> => {
        const stop = await startMeter(stack, child);
        const loaded = await child.tell(`closed ${inFlight} ${size.of(key)}`);
        (costs[key] ??= []).push(await stop(loaded.orders));
        (loads[key] ??= []).push(loaded);
        const perSecond = ((loaded.orders - loaded.failed) / loaded.wallMs) * 1_000;
        size.was(key, perSecond);
        return perSecond;
      };
      return [key, run] as const;
    };
    return [round(name, IN_FLIGHT), ...(name.startsWith('half') ? [round(`${name}${MANY_IN_FLIGHT}`, MANY_IN_FLIGHT)] : [])];
  });
  const rates = await interleave(Object.fromEntries(rounds), { repeats, warmUps: isQuick ? 1 : 2, signal, onRound: say });
  return { rates, loads: lastOf(loads, repeats), costs: lastOf(costs, repeats) };
}

async function openLoops(
  children: Record<string, PublishChild>,
  { openRate, openMs, repeats, options: { signal, say } }: Run & { openRate: number; openMs: number },
): Promise<Rounds<Loaded>> {
  // In the order of the table, whichever runs first.
  const opened: Rounds<Loaded> = Object.fromEntries(Object.keys(VARIANTS).map((name) => [name, []]));
  const rounds = Object.keys(VARIANTS).map((name) => {
    const run = async (): Promise<number> => {
      const loaded = await children[name]!.tell(`open ${openRate} ${openMs}`);
      opened[name]!.push(loaded);
      return loaded.p99Ms;
    };
    return [name, run] as const;
  });
  const onRound = (line: string): void => say(`open loop, p99 in ms: ${line}`);
  await interleave(Object.fromEntries(rounds), { repeats, warmUps: 0, signal, onRound });
  return opened;
}

/** On a machine that is too slow for all of them in this time, it is as many as it took; the headline says how many. */
const MAX_LONG_RUN_MS = 300_000;

/** A fresh publisher from its first order to its 200,000th. */
async function runLong(child: PublishChild, { isQuick, signal, say }: BenchOptions): Promise<Steady> {
  const size = isQuick ? { warmUp: 100, part: 500, orders: 1_500 } : { warmUp: 1_000, part: 10_000, orders: 200_000 };
  const steady = await runSteady((command) => child.tell(command), { inFlight: IN_FLIGHT, maxMs: MAX_LONG_RUN_MS, ...size }, signal);
  const told = steady.points.map(({ cpuUs, rssBytes }) => `${Math.round(cpuUs)} µs ${Math.round(rssBytes / 2 ** 20)} MiB`);
  say(
    `${steady.orders} orders in ${Math.round(steady.wallMs / 1_000)} s, an order's processor time and the memory by then: ${told.join(', ')}`,
  );
  return steady;
}

/** Without the warm-ups. */
const lastOf = <T>(all: Rounds<T>, count: number): Rounds<T> =>
  Object.fromEntries(Object.entries(all).map(([name, rounds]) => [name, rounds.slice(-count)]));
