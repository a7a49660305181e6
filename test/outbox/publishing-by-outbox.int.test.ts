import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, OrderEntity, OutboxMessageEntity } from '../../schema/index.ts';
import {
  ConfigurationError,
  LocalTransactionError,
  TransactionInDoubtError,
  TransactionalPublisher,
  mysqlOutbox,
  mysqlTransactionDatabase,
} from '../../src/index.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { type HeldStatement, type MysqlProxy, startMysqlProxy } from '../support/mysql-proxy.ts';
import { THROWING_CUSTOMER, anOrder, placeOrderOn } from '../support/publishing-listeners.ts';
import { createDatabase } from '../support/stack.ts';

const placeOrder = placeOrderOn('orders');
const resources = new AsyncDisposableStack();
let proxy: MysqlProxy;
let orm: MikroORM;
let publisher: TransactionalPublisher;

beforeAll(async () => {
  const database = resources.adopt(await createDatabase('outbox_publish'), (created) => created.drop());
  proxy = resources.use(await startMysqlProxy(database.url));
  const open = async (url: string): Promise<MikroORM> =>
    resources.adopt(
      await openOrm({
        url,
        entities: [...ENGINE_ENTITIES, OrderEntity],
        migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
        poolSize: 4,
      }),
      (opened) => opened.close(true).catch(() => {}),
    );
  orm = await open(database.url);
  await orm.migrator.up();
  const through = await open(proxy.through(database.url));
  publisher = resources.adopt(
    await TransactionalPublisher.start({
      owner: 'shop',
      outbox: mysqlOutbox(through),
      database: mysqlTransactionDatabase(through),
      listeners: [placeOrder],
      inDoubtTimeoutMs: 2_000,
    }),
    (started) => started.close(2_000),
  );
});
afterAll(() => resources.disposeAsync());

/** Whether the order's row is there, and its message. */
const rowsOf = async (id: string): Promise<{ order: boolean; message: boolean }> => {
  const em = orm.em.fork();
  const messages = await em.find(OutboxMessageEntity, {});
  return {
    order: (await em.count(OrderEntity, { id })) > 0,
    message: messages.some(({ messageKeys }) => messageKeys === JSON.stringify([id])),
  };
};
const outcomeOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);
const publishWith = async (id: string, take: (commit: HeldStatement) => void | Promise<void>): Promise<unknown> => {
  const struck = proxy.intercept(/^commit$/, take);
  const [outcome] = await Promise.all([outcomeOf(publisher.publish(placeOrder, anOrder(id))), struck]);
  return outcome;
};

describe('An order and its message in one transaction', () => {
  it('are written on one connection, the message last, and committed together', async () => {
    const before = proxy.statements.length;
    await publisher.publish(placeOrder, anOrder('together'));
    const spoken = proxy.statements.slice(before);
    const order = spoken.findIndex(({ text }) => /insert into `orders`/.test(text));
    const message = spoken.findIndex(({ text }) => /insert into outbox_message/.test(text));
    const commit = spoken.findIndex(({ text }) => text === 'commit');
    expect([order, message, commit]).toEqual([order, message, commit].toSorted((a, b) => a - b));
    expect(order).toBeGreaterThanOrEqual(0);
    expect(new Set([order, message, commit].map((index) => spoken[index]!.threadId)).size).toBe(1);
    expect(await rowsOf('together')).toEqual({ order: true, message: true });
  });

  it('are both gone when the transaction is rolled back', async () => {
    const error = await outcomeOf(publisher.publish(placeOrder, anOrder('undone', { customerId: THROWING_CUSTOMER })));
    expect(error).toBeInstanceOf(LocalTransactionError);
    expect(await rowsOf('undone')).toEqual({ order: false, message: false });
  });

  it('are known to be committed when the answer to COMMIT is lost', async () => {
    const outcome = await publishWith('answer-lost', async (commit) => {
      await commit.forward();
      commit.cut();
    });
    expect(outcome).toMatchObject({ transactionId: expect.any(String) });
    expect(await rowsOf('answer-lost')).toEqual({ order: true, message: true });
  });

  it('are known to be rolled back when COMMIT did not arrive', async () => {
    const outcome = await publishWith('not-arrived', (commit) => commit.cut());
    expect(outcome).toMatchObject({ code: 'CB_LOCAL_TRANSACTION', reason: 'refused' });
    expect(await rowsOf('not-arrived')).toEqual({ order: false, message: false });
  });

  it('are in doubt while nobody can be asked', async () => {
    const outcome = await publishWith('in-doubt', async (commit) => {
      await commit.forward();
      proxy.goDown();
    });
    proxy.pass();
    expect(outcome).toBeInstanceOf(TransactionInDoubtError);
    expect(await rowsOf('in-doubt')).toEqual({ order: true, message: true });
    await expect
      .poll(() => outcomeOf(publisher.publish(placeOrder, anOrder('after'))), { timeout: 20_000 })
      .toMatchObject({
        transactionId: expect.any(String),
      });
  });

  it('are refused at the start without the table', async () => {
    const empty = await createDatabase('outbox_none');
    const bare = await openOrm({ url: empty.url, entities: [...ENGINE_ENTITIES, OrderEntity] });
    const started = TransactionalPublisher.start({
      owner: 'shop',
      outbox: mysqlOutbox(bare),
      database: mysqlTransactionDatabase(bare),
      listeners: [placeOrder],
    });
    const error = await outcomeOf(started);
    await bare.close(true);
    await empty.drop();
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain('run "checkback migrate up"');
  });
});
