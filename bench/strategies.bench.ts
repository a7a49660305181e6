import { openFullStack } from './full-stack.ts';
import { roundSize } from './load/round-size.ts';
import { interleave, measured } from './measure.ts';
import type { BenchOptions, Section } from './section.ts';
import { type Journey, openLane, type StrategyLane } from './strategies/lane.ts';
import { reportStrategies } from './strategies/report.ts';
import { STRATEGIES, type StrategyName } from './strategies/strategies.ts';

const IN_FLIGHT = 64;
const ROUND_MS = 3_000;
const LEAST_ORDERS = 200;
/** Of what the slowest strategy delivers when saturated: a rate that all of them can keep. */
const OPEN_SHARE = 0.4;

type Journeys = Record<string, Journey[]>;

/** The same orders by every strategy, from `publish()` to a consumer: how many, how late, and what each costs whom. */
export const benchStrategies: Section = async (options) => {
  const { isQuick, signal } = options;
  const repeats = isQuick ? 1 : 5;
  const size = roundSize(isQuick ? 0 : ROUND_MS, LEAST_ORDERS);
  const openMs = isQuick ? 1_000 : 3_000;
  const stack = await openFullStack(options);
  const closers: (() => Promise<unknown>)[] = [() => stack.close()];
  try {
    const lanes: Record<string, StrategyLane> = {};
    for (const name of Object.keys(STRATEGIES) as StrategyName[]) {
      const lane = await openLane(stack, name, IN_FLIGHT, signal);
      lanes[name] = lane;
      closers.push(() => lane.close());
    }
    const saturated = emptyFor(lanes);
    const rates = await interleave(
      roundsOf(
        lanes,
        (name) => `closed ${IN_FLIGHT} ${size.of(name)}`,
        saturated,
        ({ perSecond }, name) => {
          size.was(name, perSecond);
          return perSecond;
        },
      ),
      { repeats, warmUps: isQuick ? 1 : 2, signal, onRound: options.say },
    );
    const slowest = Math.min(...Object.values(rates).map((rounds) => measured('orders/s', rounds).median));
    const openRate = Math.max(20, Math.round(slowest * OPEN_SHARE));
    const atFixedRate = await runAtFixedRate(lanes, { openRate, openMs, repeats }, options);
    return reportStrategies({
      conditions: {
        ...stack.facts,
        inFlight: IN_FLIGHT,
        databaseConnections: IN_FLIGHT,
        roundMs: ROUND_MS,
        leastOrdersARound: LEAST_ORDERS,
        openLoopRate: openRate,
        openLoopMs: openMs,
        processes: 'one a strategy, its relay within; the consumer in another',
        cleanUp: 'rows of sent messages deleted, and purged by the server, within the round',
      },
      saturated: Object.fromEntries(Object.entries(saturated).map(([name, rounds]) => [name, rounds.slice(-repeats)])),
      atFixedRate,
      openRate,
      openMs,
    });
  } finally {
    for (const closer of closers.toReversed()) await closer();
  }
};

/** In the order of the table, whichever runs first. */
const emptyFor = (lanes: Record<string, StrategyLane>): Journeys => Object.fromEntries(Object.keys(lanes).map((name) => [name, []]));

async function runAtFixedRate(
  lanes: Record<string, StrategyLane>,
  { openRate, openMs, repeats }: { openRate: number; openMs: number; repeats: number },
  { signal, say }: BenchOptions,
): Promise<Journeys> {
  const journeys = emptyFor(lanes);
  const rounds = roundsOf(
    lanes,
    () => `open ${openRate} ${openMs}`,
    journeys,
    ({ delivered }) => delivered.p50Ms,
  );
  const onRound = (line: string): void => say(`open loop, median delay to the consumer in ms: ${line}`);
  await interleave(rounds, { repeats, warmUps: 0, signal, onRound });
  return journeys;
}

const roundsOf = (
  lanes: Record<string, StrategyLane>,
  command: (name: string) => string,
  into: Journeys,
  figure: (journey: Journey, name: string) => number,
) =>
  Object.fromEntries(
    Object.entries(lanes).map(([name, lane]) => {
      const run = async (): Promise<number> => {
        const journey = await lane.run(command(name));
        into[name]!.push(journey);
        return figure(journey, name);
      };
      return [name, run] as const;
    }),
  );
