// The service comes back: a publisher that publishes nothing and answers for what was left. Argument: JSON of `AnswersRun`.
import { createInterface } from 'node:readline';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { mysqlTransactionDatabase } from '../../src/store/mysql-transaction-database.ts';
import { onTransactionEvent } from '../../src/transaction/diagnostics.ts';
import { TransactionalPublisher } from '../../src/transaction/transactional-publisher.ts';
import { ormListener } from '../publish/listeners.ts';
import { openOrderTables } from '../publish/orders.ts';
import { OWNER } from './owner.ts';

export interface AnswersRun {
  readonly databaseUrl: string;
  readonly endpoints: string;
  readonly topic: string;
}

/** Of the time since the start. */
export interface Answers {
  /** Transactions by their first answer that was one. */
  readonly committed: number;
  readonly rolledBack: number;
  /** Questions in all, those that were answered UNKNOWN and those that came again. */
  readonly questions: number;
  readonly unknown: number;
  /** From the moment the publisher stood until the last transaction had its first answer. */
  readonly tookMs: number;
  /** The same from the first answer on: without the wait for the broker's next round. */
  readonly askedMs: number;
  readonly cpuUs: number;
}

const { databaseUrl, endpoints, topic } = JSON.parse(process.argv[2] ?? '{}') as AnswersRun;
const orm = await openOrderTables(databaseUrl, 4);
const answered = new Map<string, 'COMMIT' | 'ROLLBACK'>();
let questions = 0;
let unknown = 0;
let firstAt = 0;
let lastAt = 0;
onTransactionEvent('checked', ({ transactionId, resolution }) => {
  questions += 1;
  if (resolution === 'UNKNOWN') unknown += 1;
  else if (!answered.has(transactionId)) {
    answered.set(transactionId, resolution);
    lastAt = performance.now();
    if (answered.size === 1) firstAt = lastAt;
  }
});
const startedAt = performance.now();
const publisher = await TransactionalPublisher.start({
  owner: OWNER,
  broker: rocketmq({ endpoints }),
  database: mysqlTransactionDatabase(orm),
  listeners: [ormListener(topic, 'first')],
});

process.stdout.write('ready\n');
const cpuBefore = process.cpuUsage();
for await (const _line of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage(cpuBefore);
  const committed = [...answered.values()].filter((resolution) => resolution === 'COMMIT').length;
  const answers: Answers = {
    committed,
    rolledBack: answered.size - committed,
    questions,
    unknown,
    tookMs: Math.max(0, lastAt - startedAt),
    askedMs: lastAt - firstAt,
    cpuUs: user + system,
  };
  process.stdout.write(`${JSON.stringify(answers)}\n`);
}
await publisher.close();
await orm.close(true);
