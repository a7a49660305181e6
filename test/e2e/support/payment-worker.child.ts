/** A worker in a process of its own, as `checkback worker` runs one. Its argument is what it is to do, as JSON; it reports in JSON lines. */
import { ENGINE_ENTITIES } from '../../../schema/engine.ts';
import { rocketmq } from '../../../src/broker/rocketmq/rocketmq.ts';
import { untilStopped } from '../../../src/cli/until-stopped.ts';
import { createGateway } from '../../../src/gateway/gateway.ts';
import { mysqlExternalCallStore } from '../../../src/store/mysql-external-call-store.ts';
import { mysqlProcessedMessageStore } from '../../../src/store/mysql-processed-message-store.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { onWorkerEvent } from '../../../src/worker/diagnostics.ts';
import { startWorker } from '../../../src/worker/worker.ts';
import { ledgerListener, paymentListener } from './payment-listener.ts';

export interface PaymentWorkerTask {
  readonly endpoints: string;
  readonly mysqlUrl: string;
  readonly topic: string;
  readonly group: string;
  readonly bank: string;
  readonly concurrency?: number;
  readonly leaseMs?: number;
  readonly drainMs?: number;
  /** Writes the order into the ledger, once, instead of having it paid; its first handler blocks the process for so long. */
  readonly ledger?: { readonly blockMs: number };
  /** Kills itself by SIGKILL instead of acknowledging its first message. */
  readonly diesBeforeAck?: boolean;
}

export type PaymentWorkerReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'received'; readonly messageId: string; readonly deliveryAttempt: number }
  | { readonly kind: 'settled'; readonly messageId: string; readonly disposition: string }
  | { readonly kind: 'drained'; readonly finished: number; readonly handedBack: number; readonly unsettled: number };

const task = JSON.parse(process.argv[2]!) as PaymentWorkerTask;
const { bank, concurrency = 8, drainMs = 10_000, endpoints, group, leaseMs = 3_000, mysqlUrl, topic } = task;
const report = (line: PaymentWorkerReport): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
onWorkerEvent('received', ({ messageId, deliveryAttempt }) => report({ kind: 'received', messageId, deliveryAttempt }));
onWorkerEvent('settled', ({ messageId, disposition }) => report({ kind: 'settled', messageId, disposition }));

const stopped = untilStopped();
const orm = await openOrm({ url: mysqlUrl, entities: ENGINE_ENTITIES });
// A short lease, so that what an abandoned call has come to is known within a test.
const gateway = createGateway({ origins: { bank }, store: mysqlExternalCallStore(orm), closeTimeoutMs: 2_000 });
const consumer = await rocketmq({ endpoints }).startConsumer({ topic, group, longPollMs: 5_000 });
if (task.diesBeforeAck === true) {
  const receive = consumer.receive.bind(consumer);
  consumer.receive = async (...args) => {
    const batch = await receive(...args);
    for (const delivery of batch) delivery.ack = async () => void process.kill(process.pid, 'SIGKILL');
    return batch;
  };
}
let blockMs = task.ledger?.blockMs ?? 0;
const block = (): void => {
  const until = performance.now() + blockMs;
  blockMs = 0;
  while (performance.now() < until);
};
const listener = task.ledger === undefined ? paymentListener(topic, group) : ledgerListener(topic, group, block);
const processed = mysqlProcessedMessageStore(orm);
const worker = startWorker({ consumers: [{ listener, consumer }], gateway, processed, concurrency, leaseMs });
report({ kind: 'ready' });
await stopped;
report({ kind: 'drained', ...(await worker.close(drainMs)) });
await consumer.close();
await gateway.close();
await orm.close(true);
