import { setTimeout as sleep } from 'node:timers/promises';
import type { Answers, AnswersRun } from './checkback/answers.child.ts';
import { committedTransactions, judge, receiveAll, type Verdict } from './checkback/delivered.ts';
import type { OrphansRun } from './checkback/orphans.child.ts';
import { type FullStack, openFullStack } from './full-stack.ts';
import type { Loaded } from './load/loaded.ts';
import { startNodeLoad } from './load/load-process.ts';
import { measured } from './measure.ts';
import type { BenchOptions, Measured, Section } from './section.ts';
import { uniqueName } from './worker/broker.ts';

const IN_FLIGHT = 64;
/** Later than the last half is stored: nobody is asked before the service is dead. */
const TRANSACTION_TIMEOUT_MS = 20_000;
/** The shipped pause of 30 s would be most of what is measured; after one of 1 s every half is asked about again before its answer is recorded. */
const CHECK_INTERVAL_MS = 10_000;
const DRAIN_TIMEOUT_MS = 150_000;
/** After the last answer: what else came would be a ghost. */
const QUIET_MS = 3_000;

/** A service dies and leaves half messages without END, half of them with rows that committed: how fast its successor settles them, and whether rightly. */
export const benchCheckback: Section = async (options) => {
  const { isQuick, signal, say } = options;
  const halves = isQuick ? 500 : 10_000;
  const repeats = isQuick ? 1 : 3;
  const stack = await openFullStack(options, { transactionTimeOutMs: TRANSACTION_TIMEOUT_MS });
  try {
    // Read by the broker before each pause: the one under way, since its start, is over before the first half is due.
    await stack.admin.setBrokerConfig('transactionCheckInterval', String(CHECK_INTERVAL_MS));
    const drains: Drain[] = [];
    for (let round = 1; round <= repeats; round += 1) {
      signal.throwIfAborted();
      const drain = await leaveAndDrain(stack, halves, options);
      const { answers, verdict } = drain;
      say(
        `round ${round} of ${repeats}: ${halves} halves in ${(answers.tookMs / 1_000).toFixed(1)} s, ${answers.committed} committed, ${answers.rolledBack} rolled back, ${verdict.lost} lost, ${verdict.ghosts} ghosts, ${verdict.twice} twice`,
      );
      drains.push(drain);
    }
    const sum = (of: (drain: Drain) => number): number => drains.reduce((all, drain) => all + of(drain), 0);
    const rateOver = (ms: (answers: Answers) => number): Measured =>
      measured(
        'halves/s',
        drains.map(({ answers }) => ((answers.committed + answers.rolledBack) / ms(answers)) * 1_000),
      );
    const rate = rateOver(({ tookMs }) => tookMs);
    return {
      headline: {
        checkbackLost: sum(({ verdict }) => verdict.lost),
        checkbackGhosts: sum(({ verdict }) => verdict.ghosts),
        checkbackUnsettled: sum(({ answers }) => halves - answers.committed - answers.rolledBack),
        checkbackPerSecond: rate.median,
      },
      conditions: {
        orphanedHalves: halves,
        committedOfThem: halves / 2,
        ...stack.facts,
        transactionTimeOut: await stack.admin.brokerConfig('transactionTimeOut'),
        transactionCheckInterval: await stack.admin.brokerConfig('transactionCheckInterval'),
        inFlightWhenKilled: IN_FLIGHT,
      },
      measured: {
        rateFromTheStart: rate,
        rateWhileAsked: rateOver(({ askedMs }) => askedMs),
        questionsAHalf: measured(
          '/half',
          drains.map(({ answers }) => answers.questions / halves),
        ),
        answeredUnknown: measured(
          '/half',
          drains.map(({ answers }) => answers.unknown / halves),
        ),
        answerCpu: measured(
          'µs/half',
          drains.map(({ answers }) => answers.cpuUs / halves),
        ),
        deliveredTwice: measured(
          'messages',
          drains.map(({ verdict }) => verdict.twice),
        ),
      },
    };
  } finally {
    await stack.close();
  }
};

interface Drain {
  readonly answers: Answers;
  readonly verdict: Verdict;
}

async function leaveAndDrain(stack: FullStack, halves: number, { signal, say }: BenchOptions): Promise<Drain> {
  const { endpoints, databaseUrl, admin } = stack;
  const topic = uniqueName('bench-orphans');
  const group = uniqueName('bench-orphans');
  await admin.createTopic(topic, 'TRANSACTION', { queues: 8 });
  await admin.createGroup(group, { retryMaxTimes: 16 });
  const before = new Set(await committedTransactions(stack));
  const committed = async (): Promise<string[]> => (await committedTransactions(stack)).filter((id) => !before.has(id));
  const received = await receiveAll(stack, topic, group);
  try {
    const run: OrphansRun & AnswersRun = { endpoints, databaseUrl, topic };
    const dying = await startNodeLoad<Loaded>(new URL('./checkback/orphans.child.ts', import.meta.url), run, signal);
    let left: Loaded;
    try {
      left = await dying.tell(`closed ${IN_FLIGHT} ${halves}`);
    } finally {
      await dying.kill();
    }
    if (left.failed > 0) throw new Error(`${left.failed} of ${halves} half messages were not stored`);
    say(`${halves} halves are left behind, stored in ${Math.round(left.wallMs)} ms; all of them are due in ${TRANSACTION_TIMEOUT_MS} ms`);
    await sleep(TRANSACTION_TIMEOUT_MS, undefined, { signal });

    const successor = await startNodeLoad<Answers>(new URL('./checkback/answers.child.ts', import.meta.url), run, signal);
    try {
      const expected = (await committed()).length;
      const isDrained = ({ committed: yes, rolledBack: no }: Answers): boolean =>
        yes + no >= halves && new Set(received.transactions).size >= expected;
      const endsAt = performance.now() + DRAIN_TIMEOUT_MS;
      let answers = await successor.tell('look');
      while (!isDrained(answers) && performance.now() < endsAt) {
        await sleep(200, undefined, { signal });
        answers = await successor.tell('look');
      }
      await sleep(QUIET_MS, undefined, { signal });
      return { answers: await successor.tell('look'), verdict: judge(received.transactions, await committed()) };
    } finally {
      await successor.close();
    }
  } finally {
    await received.close();
  }
}
