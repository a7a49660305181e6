import { fork } from 'node:child_process';
import { once } from 'node:events';
import { interleave, measured, ratios } from './measure.ts';
import type { Section } from './section.ts';
import { openBroker, uniqueName } from './worker/broker.ts';
import type { Drained } from './worker/drain.child.ts';
import { fillTopic } from './worker/fill-topic.ts';

/** Deliveries worked at once by the worker. */
const PLACES = 64;

/**
 * What the worker costs beside the client package's own loop: each drains the same messages, of a group of its own, in a
 * process of its own. A process first drains some that do not count: V8 is then done growing its heap, and what still
 * grows is the worker's.
 */
export const benchWorker: Section = async (options) => {
  const { isQuick, signal } = options;
  const messages = isQuick ? 2_000 : 20_000;
  const early = messages / 10;
  const warmUp = isQuick ? 1_000 : 20_000;
  const repeats = isQuick ? 1 : 5;
  const broker = await openBroker(options);
  const topic = uniqueName('bench-worker');
  try {
    await broker.admin.createTopic(topic, 'NORMAL', { queues: 8 });
    await fillTopic(broker.endpoints, topic, warmUp + messages, signal);
    options.say(`${warmUp + messages} messages are there`);

    const drains: Record<string, Drained[]> = { worker: [], bare: [] };
    const drain = (variant: 'worker' | 'bare') => async (): Promise<number> => {
      const group = uniqueName(`bench-${variant}`);
      await broker.admin.createGroup(group, { retryMaxTimes: 16 });
      const drained = await runDrain([variant, broker.endpoints, topic, group, PLACES, warmUp, messages, early], signal);
      drains[variant]!.push(drained);
      return drained.perSecond;
    };
    const rates = await interleave({ worker: drain('worker'), bare: drain('bare') }, { repeats, warmUps: 0, signal, onRound: options.say });

    const of = (variant: string, unit: string, figure: (drained: Drained) => number) => measured(unit, drains[variant]!.map(figure));
    const workerVsBareLoop = ratios(rates['worker']!, rates['bare']!);
    const workerRssGrowth = of('worker', 'ratio', ({ rssEarly, rssLate }) => rssLate / rssEarly);
    return {
      headline: { workerVsBareLoop: workerVsBareLoop.median, workerRssGrowth: workerRssGrowth.median },
      conditions: {
        messages,
        warmUpMessages: warmUp,
        firstLookAtMemory: early,
        workerPlaces: PLACES,
        bareLoop: 'receive(32), all 32 acknowledged at once, then the next receive',
        bodyBytes: 57,
        broker: `RocketMQ 5.4.0 (${broker.kind})`,
      },
      measured: {
        worker: measured('messages/s', rates['worker']!),
        bare: measured('messages/s', rates['bare']!),
        workerVsBareLoop,
        workerCpu: of('worker', 'µs/message', ({ cpuMicrosPerMessage }) => cpuMicrosPerMessage),
        bareCpu: of('bare', 'µs/message', ({ cpuMicrosPerMessage }) => cpuMicrosPerMessage),
        workerRssGrowth,
        workerRssGrowthFromCold: of('worker', 'ratio', ({ rssCold, rssLate }) => rssLate / rssCold),
        bareRssGrowth: of('bare', 'ratio', ({ rssEarly, rssLate }) => rssLate / rssEarly),
        workerRss: of('worker', 'MiB', ({ rssLate }) => rssLate / 2 ** 20),
        bareRss: of('bare', 'MiB', ({ rssLate }) => rssLate / 2 ** 20),
      },
    };
  } finally {
    await broker.admin.deleteTopic(topic).catch(() => {});
    await broker.close();
  }
};

async function runDrain(args: readonly (string | number)[], signal: AbortSignal): Promise<Drained> {
  const child = fork(new URL('./worker/drain.child.ts', import.meta.url), args.map(String), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([
      once(child, 'message').then(([said]) => said as Drained),
      exited.then(([code]) => Promise.reject(signal.aborted ? signal.reason : new Error(`the drain ended with ${String(code)}`))),
    ]);
  } finally {
    // It has said all; what it still closes is not worth waiting for.
    stop();
    await exited;
    signal.removeEventListener('abort', stop);
  }
}
