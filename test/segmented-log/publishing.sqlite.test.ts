import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterEach, describe, expect, it } from 'vitest';
import { chargePayment, orderPayments, type PlaceOrder } from '../../listeners/index.ts';
import { OrderEntity } from '../../schema/index.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { composeReconciliation } from '../../src/cli/compose-reconciliation.ts';
import { MessageNotKeptError } from '../../src/errors.ts';
import { outboxSender } from '../../src/outbox/outbox-sender.ts';
import { reconcileDelivery } from '../../src/reconciliation/reconcile-delivery.ts';
import { startSegmentedLogDrain } from '../../src/segmented-log/segmented-log-drain.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { sqliteTransactionDatabase } from '../../src/store/sqlite-transaction-database.ts';
import { EmbeddedBroker } from '../../src/testing.ts';
import type { AfterCommitLog } from '../../src/transaction/after-commit-log.ts';
import { onTransactionEvent } from '../../src/transaction/diagnostics.ts';
import { defineTransactionListener, type TransactionListener } from '../../src/transaction/transaction-listener.ts';
import { TransactionalPublisher } from '../../src/transaction/transactional-publisher.ts';
import { anOrder, placeOrderOn } from '../support/publishing-listeners.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';
import { eventually, logIn, newDirectory, tagsIn } from './support/directories.ts';
import { diskError, FailingDisk } from './support/failing-disk.ts';

/** Takes an order back as somebody's business would: the row stays, and says so. */
const undone = (definition: TransactionListener<PlaceOrder>): TransactionListener<PlaceOrder> =>
  defineTransactionListener<PlaceOrder>({
    topic: 'orders',
    tag: 'placed',
    keys: (order) => [order.orderId],
    lookup: definition.lookup,
    execute: definition.execute!,
    compensate: async (em, order) => {
      await em.nativeUpdate(OrderEntity, { id: order.orderId }, { status: 'REJECTED' });
    },
  });
const placeOrder = undone(placeOrderOn('orders'));

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function shop(log: AfterCommitLog) {
  const file: TestSqlite = await createSqlite();
  cleanups.push(() => file.drop());
  const orm = await file.open();
  const publisher = await TransactionalPublisher.start({
    owner: 'shop',
    log,
    database: sqliteTransactionDatabase(orm),
    listeners: [placeOrder],
  });
  cleanups.push(() => publisher.close());
  return { file, orm, publisher };
}

const statuses = async (orm: MikroORM): Promise<string[]> =>
  (await orm.em.fork().find(OrderEntity, {}, { orderBy: { id: 'asc' } })).map(({ id, status }) => `${id} ${status}`);

/** Keys of the orders whose messages reconciliation publishes again. */
async function reconciledKeys(orm: MikroORM, databaseUrl: string): Promise<string[]> {
  await orm.em.fork().nativeUpdate(OrderEntity, {}, { createdAt: new Date(Date.now() - 3_600_000) });
  const { delivery } = composeReconciliation({
    config: {
      owner: 'shop',
      endpoints: '127.0.0.1:1',
      databaseUrl,
      origins: {},
      alertWebhook: undefined,
      reconciliation: { sources: [orderPayments], rate: 1_000 },
    },
    orm,
    logger: silentLogger,
    listeners: [chargePayment],
    calls: mysqlExternalCallStore(orm),
    gateway: { call: () => Promise.reject(new Error('no bank here')) },
    inTransaction: undefined,
  }).part;
  const sent: string[] = [];
  const context = { ...delivery, send: async ({ keys }: { keys: readonly string[] }) => void sent.push(...keys) };
  await reconcileDelivery(orderPayments, {}, context, new AbortController().signal);
  return sent;
}

describe('publish() with a segmented log', () => {
  it('brings to the broker what was committed while nobody drained, and nothing of what was rolled back', async () => {
    const broker = await EmbeddedBroker.start({ topics: { orders: 'NORMAL' }, groups: { payments: {} } });
    cleanups.push(() => broker.close());
    const log = logIn(newDirectory());
    const { publisher, orm } = await shop(log);
    await publisher.publish(placeOrder, anOrder('o1'));
    await expect(publisher.publish(placeOrder, anOrder('o2', { amountMinor: 0 }))).rejects.toMatchObject({ code: 'CB_LOCAL_TRANSACTION' });
    await publisher.publish(placeOrder, anOrder('o3'));
    expect(await statuses(orm)).toEqual(['o1 PLACED', 'o3 PLACED']);
    expect(log.stats()).toMatchObject({ waiting: 2 });

    const client = rocketmq({ endpoints: broker.endpoints });
    const sender = outboxSender(client);
    const drain = startSegmentedLogDrain({ log, sender });
    await eventually(() => broker.inspect.queued('orders', 'payments')).toBe(2);
    const consumer = await client.startConsumer({ topic: 'orders', group: 'payments' });
    cleanups.push(() => consumer.close());
    const delivered = new Set<string>();
    await eventually(async () => {
      for (const delivery of await consumer.receive(32, 60_000)) {
        delivered.add(delivery.message.keys[0]!);
        await delivery.ack();
      }
      return [...delivered].sort();
    }).toEqual(['o1', 'o3']);
    await publisher.close();
    await drain.close();
    await sender.close();
    await log.close();
  });

  it('refuses an order before it is written while the log is broken', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), { onAppendFailure: 'report' }, disk);
    const { publisher, orm } = await shop(log);
    disk.fails = (operation) => (operation === 'sync' ? diskError('EIO') : undefined);
    // The first finds out, after its COMMIT.
    await publisher.publish(placeOrder, anOrder('o1'));
    disk.fails = () => undefined;
    await expect(publisher.publish(placeOrder, anOrder('o2'))).rejects.toMatchObject({
      acted: 'no',
      cause: { code: 'CB_SEGMENTED_LOG', reason: 'broken' },
    });
    expect(await statuses(orm)).toEqual(['o1 PLACED']);
  });

  it('`compensate`: an order whose message could not be kept is taken back, and publish() says so', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), { onAppendFailure: 'compensate' }, disk);
    const { publisher, orm } = await shop(log);
    await publisher.publish(placeOrder, anOrder('o1'));
    disk.fails = (operation) => (operation === 'write' ? diskError('ENOSPC') : undefined);
    const refused = await publisher.publish(placeOrder, anOrder('o2')).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(MessageNotKeptError);
    expect(refused).toMatchObject({ isCompensated: true, cause: { code: 'CB_SEGMENTED_LOG', acted: 'no' } });
    disk.fails = () => undefined;
    expect(await statuses(orm)).toEqual(['o1 PLACED', 'o2 REJECTED']);
    expect(await tagsIn(log)).toHaveLength(1);
  });

  it('`report`: an order whose message could not be kept stands, is told of, and reconciliation finds it', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), { onAppendFailure: 'report' }, disk);
    const { publisher, orm, file } = await shop(log);
    const outcomes: string[] = [];
    const stop = onTransactionEvent('message-not-kept', ({ outcome }) => outcomes.push(outcome));
    disk.fails = (operation) => (operation === 'write' ? diskError('ENOSPC') : undefined);
    await publisher.publish(placeOrder, anOrder('o1'));
    stop();
    expect(outcomes).toEqual(['reported']);
    expect(await reconciledKeys(orm, file.url)).toEqual(['o1']);
  });

  it(
    'loses the message of a process that is killed between COMMIT and append, which it does not claim; reconciliation finds the order',
    { timeout: 240_000 },
    async () => {
      const file = await createSqlite();
      cleanups.push(() => file.drop());
      const directory = newDirectory();
      const child = fork(resolve(import.meta.dirname, 'support/publishing.child.ts'), [directory, file.url], {
        execArgv: ['--no-warnings'],
      });
      const exited = once(child, 'exit');
      expect(await exited).toEqual([null, 'SIGKILL']);
      const orm = await file.open();
      expect(await statuses(orm)).toEqual(['kept PLACED', 'lost PLACED']);
      const log = logIn(directory);
      await log.start();
      expect(log.stats().waiting).toBe(1);
      expect(await tagsIn(log)).toEqual(['placed']);
      expect((await reconciledKeys(orm, file.url)).sort()).toEqual(['kept', 'lost']);
    },
  );
});
