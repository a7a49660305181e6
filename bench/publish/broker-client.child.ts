/**
 * Half + COMMIT by this package's producer, over one of its two paths, in a process of its own; nothing else runs in it.
 * Argument: JSON of `ClientRun`. Prints one line of JSON, `ClientResult`, and ends.
 */
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';

export interface ClientRun {
  readonly endpoints: string;
  /** Takes transactions. */
  readonly topic: string;
  readonly path: 'lean' | 'official';
  readonly inFlight: number;
  readonly transactions: number;
  /** Transactions before the measured ones. Default 3,000. */
  readonly warmUp?: number;
}

export interface ClientResult {
  readonly transactions: number;
  /** Processor time of this process, user and system, of all measured transactions together. */
  readonly cpuUs: number;
  readonly wallMs: number;
  /** Of a half and its END together, one after the other. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const BODY = Buffer.alloc(200, 1);
const { endpoints, topic, path, inFlight, transactions, warmUp = 3_000 } = JSON.parse(process.argv[2] ?? '{}') as ClientRun;
const producer = await rocketmq({ endpoints, path, requestTimeoutMs: 10_000 }).startTransactionalProducer({
  topics: [topic],
  checkBack: async () => 'UNKNOWN',
});

async function run(count: number): Promise<Float64Array> {
  const latencies = new Float64Array(count);
  let next = 0;
  const place = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const startedAt = performance.now();
      const properties = { 'checkback-tx': `tx-${index}`, 'checkback-owner': 'bench', 'checkback-listener': 'bench' };
      const half = await producer.sendHalf({ topic, tag: 'bench', keys: [`key-${index}`], properties, body: BODY });
      await half.end('COMMIT');
      latencies[index] = performance.now() - startedAt;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, place));
  return latencies;
}

await run(warmUp);
const cpuAtStart = process.cpuUsage();
const startedAt = performance.now();
const latencies = (await run(transactions)).toSorted();
const { user, system } = process.cpuUsage(cpuAtStart);
const wallMs = performance.now() - startedAt;
const at = (share: number): number => latencies[Math.min(transactions - 1, Math.floor(transactions * share))] ?? 0;
const result: ClientResult = { transactions, cpuUs: user + system, wallMs, p50Ms: at(0.5), p99Ms: at(0.99) };
process.stdout.write(`${JSON.stringify(result)}\n`);
await producer.close();
