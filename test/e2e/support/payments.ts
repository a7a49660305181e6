import type { MikroORM } from '@mikro-orm/mysql';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../../schema/engine.ts';
import type { Consumer } from '../../../src/broker/consumer.ts';
import { rocketmq } from '../../../src/broker/rocketmq/rocketmq.ts';
import { type MockBank, startMockBank } from '../../../src/cli/mock-bank/mock-bank.ts';
import { createGateway } from '../../../src/gateway/gateway.ts';
import { mysqlExternalCallStore } from '../../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { type Worker, startWorker } from '../../../src/worker/worker.ts';
import type { WorkerOptions } from '../../../src/worker/worker-options.ts';
import { type TestProcess, startProcess } from '../../support/publishing-processes.ts';
import { createDatabase, createGroup, createTopic, useStack } from '../../support/stack.ts';
import { paymentListener } from './payment-listener.ts';
import type { PaymentWorkerReport, PaymentWorkerTask } from './payment-worker.child.ts';

export type PaymentWorker = TestProcess<PaymentWorkerReport>;

/** A topic of orders, a bank, a database, and workers that have the bank paid. Disposing ends all of it. */
export interface Payments extends AsyncDisposable {
  readonly bank: MockBank;
  /** Sends an order, or any other body; gives the message id. */
  send(body: object | string, properties?: Readonly<Record<string, string>>): Promise<string>;
  startProcess(task?: Partial<PaymentWorkerTask>): PaymentWorker;
  /** A worker in this process; its consumer may be tampered with before it starts. */
  startHere(options?: Partial<WorkerOptions>, tamper?: (consumer: Consumer) => void): Promise<Worker>;
  /** The call rows: order id → status. */
  statuses(): Promise<Record<string, string>>;
  /** Entries of the ledger: order id → how many. */
  ledger(): Promise<Record<string, number>>;
  readonly calls: {
    /** Request records, over all calls. */
    attempts(): Promise<number>;
    /** Effects at the bank for which there is no attempt on record. */
    unaudited(): Promise<string[]>;
  };
}

export const order = (orderId: string): { orderId: string; amountMinor: number } => ({ orderId, amountMinor: 100 });

export async function openPayments(): Promise<Payments> {
  const { endpoints } = useStack();
  const [database, topic, group, bank] = await Promise.all([
    createDatabase('payments'),
    createTopic('NORMAL'),
    createGroup({ retryMaxTimes: 1_000 }),
    startMockBank(),
  ]);
  const orm: MikroORM = await openOrm({ url: database.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
  await orm.migrator.up();
  await orm.em
    .getConnection()
    .execute('create table ledger (id int auto_increment primary key, order_id varchar(64) not null, amount_minor int not null)');
  const producer = await rocketmq({ endpoints }).startProducer({ topic });
  const closers: (() => unknown)[] = [() => database.drop(), () => orm.close(true), () => bank.close(), () => producer.close()];
  const rows = (sql: string): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql);

  return {
    bank,
    send: async (body, properties = {}) => {
      const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
      return (await producer.send({ topic, tag: 'placed', keys: [], properties, body: bytes })).messageId;
    },
    startProcess: (task = {}) => {
      const whole: PaymentWorkerTask = { endpoints, mysqlUrl: database.url, topic, group, bank: bank.origin, ...task };
      const worker = startProcess<PaymentWorkerReport>('test/e2e/support/payment-worker.child.ts', [JSON.stringify(whole)]);
      closers.push(() => worker[Symbol.asyncDispose]());
      return worker;
    },
    startHere: async (options = {}, tamper = () => {}) => {
      const consumer = await rocketmq({ endpoints }).startConsumer({ topic, group, longPollMs: 5_000 });
      tamper(consumer);
      const gateway = createGateway({ origins: { bank: bank.origin }, store: mysqlExternalCallStore(orm) });
      const listener = paymentListener(topic, group);
      const worker = startWorker({ consumers: [{ listener, consumer }], gateway, leaseMs: 3_000, ...options });
      closers.push(
        () => gateway.close(),
        () => consumer.close(),
        () => worker.close(1_000),
      );
      return worker;
    },
    statuses: async () =>
      Object.fromEntries(
        (await rows('select idempotency_key, status from external_call order by idempotency_key')).map((row) => [
          row['idempotency_key'],
          row['status'],
        ]),
      ) as Record<string, string>,
    ledger: async () =>
      Object.fromEntries(
        (await rows('select order_id, count(*) as n from ledger group by order_id')).map((row) => [row['order_id'], Number(row['n'])]),
      ),
    calls: {
      attempts: async () => Number((await rows('select count(*) as n from external_call_attempt'))[0]?.['n']),
      unaudited: async () => {
        const audited = new Set(
          (await rows('select distinct c.idempotency_key from external_call c join external_call_attempt a on a.call_id = c.id')).map(
            (row) => row['idempotency_key'],
          ),
        );
        return [...bank.effects.keys()].filter((key) => !audited.has(key));
      },
    },
    async [Symbol.asyncDispose]() {
      for (const close of closers.toReversed()) await close();
    },
  };
}

/** How many messages workers have settled, by disposition; a message that came twice counts once. */
export const settledBy = (...workers: readonly PaymentWorker[]): Record<string, number> => {
  const messages = new Map<string, Set<string>>();
  for (const report of workers.flatMap(({ reports }) => reports)) {
    if (report.kind !== 'settled') continue;
    const settled = messages.get(report.disposition) ?? new Set();
    messages.set(report.disposition, settled.add(report.messageId));
  }
  return Object.fromEntries([...messages].map(([disposition, settled]) => [disposition, settled.size]));
};

export const hasSaid = (worker: PaymentWorker, kind: PaymentWorkerReport['kind']): boolean =>
  worker.reports.some((report) => report.kind === kind);
