// Receives and acknowledges everything of a topic, and tells how late it came. Argument: JSON of `DeliveriesRun`.
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import type { BenchOrder } from '../publish/orders.ts';
import { type Latencies, latencies } from '../load/latencies.ts';

export interface DeliveriesRun {
  readonly endpoints: string;
  readonly topic: string;
  readonly group: string;
}

/** Of the deliveries since the last question. */
export interface Delivered {
  readonly deliveries: number;
  /** Orders among them; fewer than deliveries when some came twice. */
  readonly orders: number;
  /** Milliseconds since the epoch. */
  readonly lastAtMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const LOOPS = 4;
const { endpoints, topic, group } = JSON.parse(process.argv[2] ?? '{}') as DeliveriesRun;
const consumer = await rocketmq({ endpoints }).startConsumer({ topic, group });
const stop = new AbortController();

let seen = new Set<string>();
let delays: Latencies = latencies();
let deliveries = 0;
let lastAtMs = 0;

const take = async (): Promise<void> => {
  while (!stop.signal.aborted) {
    const batch = await consumer.receive(32, 60_000, stop.signal).catch(() => []);
    const now = performance.timeOrigin + performance.now();
    for (const { message } of batch) {
      // The moment it was meant to begin goes by the name of its customer.
      const { orderId, customerId } = JSON.parse(Buffer.from(message.body).toString()) as BenchOrder;
      deliveries += 1;
      if (seen.has(orderId)) continue;
      seen.add(orderId);
      delays.record(now - Number(customerId));
      lastAtMs = now;
    }
    await Promise.all(batch.map((delivery) => delivery.ack().catch(() => {})));
  }
};
const loops = Array.from({ length: LOOPS }, take);

process.stdout.write('ready\n');
// "wait <orders> <ms>": answers when that many orders came, or the time is over, and begins anew.
for await (const line of createInterface({ input: process.stdin })) {
  const [, orders = 0, ms = 0] = line.split(' ').map(Number);
  const endsAt = performance.now() + ms;
  while (seen.size < orders && performance.now() < endsAt) await sleep(5);
  const told: Delivered = { deliveries, orders: seen.size, lastAtMs, p50Ms: delays.percentile(50), p99Ms: delays.percentile(99) };
  process.stdout.write(`${JSON.stringify(told)}\n`);
  seen = new Set();
  delays = latencies();
  deliveries = 0;
}
stop.abort();
await Promise.all(loops);
await consumer.close();
