import { openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENGINE_ENTITIES } from '../../schema/index.ts';
import { MESSAGE_PROPERTY } from '../../src/broker/message.ts';
import {
  CheckbackError,
  ConfigurationError,
  type OutgoingMessage,
  TransactionalPublisher,
  mysqlTransactionDatabase,
  rocketmq,
} from '../../src/index.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { faultyBroker, faultyDatabase } from './faults.ts';
import { between, randomFrom } from './random.ts';
import type { ProducerOrders, ProducerSettings, Report } from './reports.ts';
import { listenerName, tortureListeners } from './torture-listeners.ts';
import { TortureOrderEntity } from './torture-tables.ts';
import { UNSAFE_VARIANTS, workloadOf } from './unsafe/unsafe-variants.ts';
import { type OrderPlan, attemptIdOf, numberOf, orderIdOf, planOf } from './workload.ts';

/** A producer of the torture: publishes the orders it is given and tells what it was told, before and after each. */
const settings = JSON.parse(process.argv[2] ?? '') as ProducerSettings;
const { seed } = settings;
const variant = UNSAFE_VARIANTS.get(settings.unsafe ?? '');
const workload = workloadOf(settings);

const file = openSync(settings.reportFile, 'a');
const report = (line: Report): void => void writeSync(file, `${JSON.stringify(line)}\n`);
for (const name of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(name, (error: unknown) =>
    report({
      kind: 'unhandled',
      message: `${settings.name}: ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    }),
  );
}

const commitFaults = new Map<string, OrderPlan['commitFault']>();
const listeners = tortureListeners(
  workload,
  (transactionId, { commitFault }) => void (commitFault === undefined || commitFaults.set(transactionId, commitFault)),
  variant?.rowLookup,
);
const random = randomFrom('producer', seed, settings.name);

const givesUpAt = Date.now() + 120_000;

async function start(): Promise<TransactionalPublisher> {
  for (;;) {
    try {
      const orm = await openOrm({
        url: settings.mysqlUrl,
        entities: [...ENGINE_ENTITIES, TortureOrderEntity],
        poolSize: settings.concurrency + 8,
      });
      try {
        const faulty = faultyDatabase(mysqlTransactionDatabase(orm), (transactionId) => commitFaults.get(transactionId));
        // Faults and reports are next to the wire, outside of what a variant changes.
        const planFor = ({ properties }: OutgoingMessage): OrderPlan =>
          planOf(workload, seed, numberOf(orderIdOf(properties[MESSAGE_PROPERTY.correlationId] ?? '')));
        const wire = faultyBroker(rocketmq({ endpoints: settings.endpoints }), planFor, report);
        const broker = variant?.broker?.(wire, settings.owner) ?? wire;
        const publisher = await TransactionalPublisher.start({
          owner: settings.owner,
          broker,
          database: variant?.database?.(faulty, orm) ?? faulty,
          listeners: [...listeners.values()],
          transactionTimeoutMs: 8_000,
        });
        variant?.beside?.(orm);
        return publisher;
      } catch (error) {
        await orm.close(true);
        throw error;
      }
    } catch (error) {
      // Tables and topics may not be there yet.
      if (error instanceof ConfigurationError && Date.now() > givesUpAt) throw error;
      report({ kind: 'waiting', message: (error as Error).message });
      await sleep(500);
    }
  }
}

async function place(publisher: TransactionalPublisher, number: number): Promise<void> {
  const plan = planOf(workload, seed, number);
  const { orderId } = plan;
  for (let attempt = 1; ; attempt++) {
    const attemptId = attemptIdOf(orderId, attempt);
    report({ kind: 'started', attemptId });
    try {
      const input = { orderId, attemptId, amount: attempt * 100, plan };
      const { transactionId } = await publisher.publish(listeners.get(listenerName(plan))!, input, {
        correlationId: attemptId,
      });
      report({ kind: 'resolved', attemptId, transactionId });
      break;
    } catch (error) {
      report({
        kind: 'rejected',
        attemptId,
        code: error instanceof CheckbackError ? error.code : 'none',
        message: (error as Error).message,
      });
      if (!(error instanceof CheckbackError && error.retryable) || attempt >= workload.maxAttempts) break;
      await sleep(between(random, [500, 3_000]));
    }
  }
  report({ kind: 'finished', orderId });
}

const publisher = await start();
report({ kind: 'ready' });

const waiting: number[] = [];
const running = new Set<Promise<void>>();
const next = (): void => {
  while (running.size < settings.concurrency && waiting.length > 0) {
    const work = place(publisher, waiting.shift()!).finally(() => {
      running.delete(work);
      next();
    });
    running.add(work);
  }
};

let closing: Promise<void> | undefined;
const close = (): Promise<void> =>
  (closing ??= (async () => {
    // What was not started yet goes to another producer.
    waiting.length = 0;
    while (running.size > 0) await Promise.all(running);
    await publisher.close(8_000);
    report({ kind: 'drained' });
    process.exit(0);
  })());
process.once('SIGTERM', () => void close());

for await (const line of createInterface({ input: process.stdin })) {
  if (closing !== undefined) break;
  waiting.push(...(JSON.parse(line) as ProducerOrders).numbers);
  next();
}
await close();
