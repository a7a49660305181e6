import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { rocketmq } from '../src/broker/rocketmq/rocketmq.ts';
import type { TransactionalProducer } from '../src/broker/transactional-producer.ts';
import { interleave, measured, ratios } from './measure.ts';
import type { Section } from './section.ts';
import { openBroker, uniqueName } from './worker/broker.ts';

/** Transactions in flight. */
const PLACES = 64;
const BODY = Buffer.alloc(200, 1);

/** Half + COMMIT through this package's producer: on RocketMQ, on the embedded broker, and on the one with a journal; then what a broker keeps of messages that were acknowledged. */
export const benchEmbedded: Section = async (options) => {
  const { isQuick, signal, say } = options;
  const transactions = isQuick ? 1_000 : 10_000;
  const repeats = isQuick ? 1 : 5;
  const real = await openBroker(options);
  const directory = mkdtempSync(join(tmpdir(), 'checkback-bench-embedded-'));
  const cleanups: (() => Promise<unknown>)[] = [() => real.close(), async () => rmSync(directory, { recursive: true })];
  const topic = uniqueName('bench-embedded');
  const round = async (endpoints: string) => {
    const producer = await rocketmq({ endpoints }).startTransactionalProducer({ topics: [topic], checkBack: async () => 'UNKNOWN' });
    cleanups.push(() => producer.close());
    return () => perSecond(producer, topic, transactions);
  };
  try {
    await real.admin.createTopic(topic, 'TRANSACTION', { queues: 8 });
    const started = async (file = ''): Promise<string> => {
      const { child, endpoints } = await startChild(topic, file);
      cleanups.push(async () => void child.kill());
      return endpoints;
    };
    const rounds = {
      rocketmq: await round(real.endpoints),
      embedded: await round(await started()),
      journal: await round(await started(join(directory, 'journal'))),
    };
    const rates = await interleave(rounds, { repeats, warmUps: 1, signal, onRound: say });
    const memory = await memoryOf(topic, isQuick ? 20_000 : 200_000, signal, say);
    const embeddedVsRocketmq = ratios(rates['embedded']!, rates['rocketmq']!);
    const journalVsRocketmq = ratios(rates['journal']!, rates['rocketmq']!);
    return {
      headline: {
        embeddedVsRocketmq: embeddedVsRocketmq.median,
        journalVsRocketmq: journalVsRocketmq.median,
        embeddedRssGrowth: memory.growth,
      },
      conditions: {
        transactions,
        inFlight: PLACES,
        bodyBytes: BODY.length,
        broker: `RocketMQ 5.4.0 (${real.kind})`,
        messagesThroughForMemory: memory.messages,
        firstLookAtMemory: memory.messages / 10,
      },
      measured: {
        rocketmq: measured('transactions/s', rates['rocketmq']!),
        embedded: measured('transactions/s', rates['embedded']!),
        journal: measured('transactions/s', rates['journal']!),
        embeddedVsRocketmq,
        journalVsRocketmq,
        embeddedRssGrowth: measured('ratio', [memory.growth]),
        embeddedRss: measured('MiB', [memory.rssLate / 2 ** 20]),
      },
    };
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  }
};

/** Sends and acknowledges that many messages, a tenth at a time, and looks at the broker after the first tenth and the last. */
async function memoryOf(topic: string, messages: number, signal: AbortSignal, say: (line: string) => void) {
  const { child, endpoints } = await startChild(topic, '');
  const broker = rocketmq({ endpoints });
  const producer = await broker.startTransactionalProducer({ topics: [topic], checkBack: async () => 'UNKNOWN' });
  const consumer = await broker.startConsumer({ topic, group: 'readers' });
  const rss = async (): Promise<number> => {
    const answer = once(child, 'message');
    child.send('rss');
    return ((await answer) as [number])[0];
  };
  try {
    let acknowledged = 0;
    const drainUntil = async (count: number): Promise<void> => {
      while (acknowledged < count) {
        signal.throwIfAborted();
        const deliveries = await consumer.receive(32, 60_000, signal);
        await Promise.all(deliveries.map((delivery) => delivery.ack()));
        acknowledged += deliveries.length;
      }
    };
    let rssEarly = 0;
    for (let tenth = 1; tenth <= 10; tenth += 1) {
      await Promise.all([perSecond(producer, topic, messages / 10), drainUntil((messages / 10) * tenth)]);
      if (tenth === 1) rssEarly = await rss();
    }
    const rssLate = await rss();
    say(
      `memory: ${Math.round(rssEarly / 2 ** 20)} MiB after ${messages / 10} messages, ${Math.round(rssLate / 2 ** 20)} MiB after ${messages}`,
    );
    return { messages, growth: Number((rssLate / rssEarly).toPrecision(4)), rssLate };
  } finally {
    await producer.close();
    await consumer.close();
    child.kill();
  }
}

async function perSecond(producer: TransactionalProducer, topic: string, transactions: number): Promise<number> {
  let left = transactions;
  let done = 0;
  const startedAt = performance.now();
  const place = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      try {
        const half = await producer.sendHalf({ topic, tag: 't', keys: ['k'], properties: { a: 'b' }, body: BODY });
        await half.end('COMMIT');
        done += 1;
      } catch {
        // A broker with a small heap cancels answers under load; what failed does not count.
      }
    }
  };
  await Promise.all(Array.from({ length: PLACES }, place));
  return (done / (performance.now() - startedAt)) * 1_000;
}

async function startChild(topic: string, file: string): Promise<{ child: ChildProcess; endpoints: string }> {
  const child = fork(resolve(import.meta.dirname, 'embedded/broker.child.ts'), [topic, file]);
  const [endpoints] = (await once(child, 'message')) as [string];
  return { child, endpoints };
}
