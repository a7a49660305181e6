import { setTimeout as sleep } from 'node:timers/promises';
import { readDatabaseCounters } from '../cost/database-counters.ts';
import { type Cost, startMeter } from '../cost/meter.ts';
import type { FullStack } from '../full-stack.ts';
import type { Loaded } from '../load/loaded.ts';
import { type LoadProcess, startNodeLoad } from '../load/load-process.ts';
import { uniqueName } from '../worker/broker.ts';
import type { Delivered, DeliveriesRun } from './deliveries.child.ts';
import type { StrategyRun } from './strategy.child.ts';
import { STRATEGIES, type StrategyName } from './strategies.ts';

const DELIVERY_TIMEOUT_MS = 60_000;
/** Longest the server is waited for to purge what was deleted. */
const QUIET_TIMEOUT_MS = 3_000;
const QUIET_FOR_MS = 250;

/** What one round through a strategy came to, from `publish()` to the consumer. */
export interface Journey {
  readonly loaded: Loaded;
  readonly delivered: Delivered;
  /** Orders a second until the last one was delivered. */
  readonly perSecond: number;
  readonly cost: Cost;
}

/** A strategy in its process, and whoever consumes its topic in another. */
export interface StrategyLane {
  run(command: string): Promise<Journey>;
  close(): Promise<void>;
}

export async function openLane(stack: FullStack, strategy: StrategyName, connections: number, signal: AbortSignal): Promise<StrategyLane> {
  const topic = uniqueName(`bench-${strategy.toLowerCase()}`);
  const group = uniqueName('bench-deliveries');
  await stack.admin.createTopic(topic, STRATEGIES[strategy].topicType, { queues: 8 });
  await stack.admin.createGroup(group, { retryMaxTimes: 16 });
  const { endpoints } = stack;
  // Of its own: who reads the database's log sees the rows of all that write to a table.
  const databaseUrl = await stack.createDatabase();
  const reading: DeliveriesRun = { endpoints, topic, group };
  const run: StrategyRun = { strategy, databaseUrl, endpoints, topic, connections };
  const consumer = await startNodeLoad<Delivered>(new URL('./deliveries.child.ts', import.meta.url), reading, signal);
  let app: LoadProcess<Loaded>;
  try {
    app = await startNodeLoad<Loaded>(new URL('./strategy.child.ts', import.meta.url), run, signal);
  } catch (error) {
    await consumer.close(0);
    throw error;
  }
  return {
    run: async (command) => {
      const stop = await startMeter(stack, app);
      const startedAt = Date.now();
      const loaded = await app.tell(command);
      const orders = loaded.orders - loaded.failed;
      const delivered = await consumer.tell(`wait ${orders} ${DELIVERY_TIMEOUT_MS}`);
      await app.tell('cleanUp');
      await quietDatabase(stack);
      return { loaded, delivered, perSecond: (delivered.orders / (delivered.lastAtMs - startedAt)) * 1_000, cost: await stop(orders) };
    },
    close: async () => {
      await app.close();
      await consumer.close();
    },
  };
}

/** Deleted rows are purged behind the scenes, and that is written to the redo log too. */
async function quietDatabase({ connection }: FullStack): Promise<void> {
  const endsAt = performance.now() + QUIET_TIMEOUT_MS;
  for (let last = -1; performance.now() < endsAt;) {
    const { redoBytes } = await readDatabaseCounters(connection);
    if (redoBytes === last) return;
    last = redoBytes;
    await sleep(QUIET_FOR_MS);
  }
}
