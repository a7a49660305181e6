/**
 * Drains a topic in a process of its own: `worker` as a user runs it, with a listener that does nothing, or `bare`, the
 * client package's SimpleConsumer in the loop its documentation shows, acknowledging a batch at once.
 * Arguments: variant, endpoints, topic, group, places, and how many messages to warm up with, to measure, and of these to
 * have done at the first look at its memory. Sends how it went and ends.
 */
import { SimpleConsumer } from 'rocketmq-client-nodejs';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { defineMessageListener } from '../../src/worker/message-listener.ts';
import { startWorker } from '../../src/worker/worker.ts';

/** What one drain came to. */
export interface Drained {
  readonly perSecond: number;
  /** Processor time of this process, user and system. */
  readonly cpuMicrosPerMessage: number;
  /** Bytes resident: after `early` messages of a process that had just started, after `early` of a warm one, at the end. */
  readonly rssCold: number;
  readonly rssEarly: number;
  readonly rssLate: number;
}

const [variant, endpoints = '', topic = '', group = '', ...counts] = process.argv.slice(2);
const [places = 0, warmUp = 0, messages = 0, early = 0] = counts.map(Number);
const LEASE_MS = 60_000;

let startedAt = 0;
let cpuAtStart = process.cpuUsage();
let done = 0;
let rssCold = 0;
let rssEarly = 0;
const finished = Promise.withResolvers<void>();

const acknowledged = (): void => {
  done += 1;
  if (done === early) rssCold = process.memoryUsage.rss();
  if (done === warmUp) {
    startedAt = performance.now();
    cpuAtStart = process.cpuUsage();
  }
  if (done === warmUp + early) rssEarly = process.memoryUsage.rss();
  if (done === warmUp + messages) finished.resolve();
};

const close = variant === 'worker' ? await drainByWorker() : await drainBare();
await finished.promise;
const { user, system } = process.cpuUsage(cpuAtStart);
const result: Drained = {
  perSecond: (messages / (performance.now() - startedAt)) * 1_000,
  cpuMicrosPerMessage: (user + system) / messages,
  rssCold,
  rssEarly,
  rssLate: process.memoryUsage.rss(),
};
process.send?.(result);
await close();
process.disconnect?.();

async function drainByWorker(): Promise<() => Promise<unknown>> {
  const consumer = await rocketmq({ endpoints }).startConsumer({ topic, group });
  // Counts what the broker has confirmed, as the loop does.
  const receive = consumer.receive.bind(consumer);
  consumer.receive = async (...args) => {
    const batch = await receive(...args);
    for (const delivery of batch) {
      const ack = delivery.ack.bind(delivery);
      delivery.ack = async () => {
        await ack();
        acknowledged();
      };
    }
    return batch;
  };
  const listener = defineMessageListener({ name: 'nothing', topic, group, process: () => {} });
  const worker = startWorker({ consumers: [{ listener, consumer }], concurrency: places, leaseMs: LEASE_MS });
  return async () => {
    await worker.close();
    await consumer.close();
  };
}

async function drainBare(): Promise<() => Promise<unknown>> {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const client = new SimpleConsumer({
    endpoints,
    namespace: '',
    consumerGroup: group,
    subscriptions: new Map([[topic, '*']]),
    awaitDuration: 15_000,
    logger: quiet,
  });
  await client.startup();
  const loop = async (): Promise<void> => {
    while (done < warmUp + messages) {
      const views = await client.receive(32, LEASE_MS);
      await Promise.all(
        views.map(async (view) => {
          JSON.parse(view.body.toString());
          await client.ack(view);
          acknowledged();
        }),
      );
    }
  };
  loop().catch(finished.reject);
  return () => client.shutdown().catch(() => {});
}
