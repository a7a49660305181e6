import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { TransactionalPublisher, mysqlTransactionDatabase, rocketmq } from '../../../src/index.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { placeOrderOn } from '../../support/publishing-listeners.ts';

/** What it is asked to start, as JSON in its first argument. */
export interface StartRequest {
  readonly as: 'publisher' | 'consumer';
  readonly endpoints: string;
  readonly mysqlUrl: string;
  readonly topics: readonly string[];
  readonly startTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** How the start went, as a line on standard output; one named `closed` follows when everything of its own is closed. */
export interface StartReport {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly tookMs: number;
}

// Starts, reports, closes what is its own, stays to be looked at, and must end by itself then: no process.exit here.
const { as, endpoints, mysqlUrl, topics, startTimeoutMs, requestTimeoutMs } = JSON.parse(process.argv[2]!) as StartRequest;
const broker = rocketmq({ endpoints, startTimeoutMs, requestTimeoutMs });
const orm = await openOrm({ url: mysqlUrl, entities: [OrderEntity], migrations: [Migration20260101000000Orders] });
const startedAt = performance.now();
try {
  const started =
    as === 'consumer'
      ? await broker.startConsumer({ topic: topics[0]!, group: 'nobody' })
      : await TransactionalPublisher.start({
          owner: 'shop',
          broker,
          database: mysqlTransactionDatabase(orm),
          listeners: topics.map((topic) => placeOrderOn(topic)),
        });
  report({ name: 'started', code: '', message: '' });
  await started.close();
} catch (error) {
  report(error as StartReport);
}
await orm.close(true);
report({ name: 'closed', code: '', message: '' });
await once(process.stdin, 'data');
process.stdin.destroy();

function report({ name, code, message }: Omit<StartReport, 'tookMs'>): void {
  writeSync(1, `${JSON.stringify({ name, code, message, tookMs: performance.now() - startedAt } satisfies StartReport)}\n`);
}
