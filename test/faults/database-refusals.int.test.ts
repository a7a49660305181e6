import { createConnection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OrderEntity } from '../../schema/index.ts';
import { DatabaseUnavailableError, LocalTransactionError, type TransactionalPublisher } from '../../src/index.ts';
import { READ_ONLY, TOO_MANY_CONNECTIONS } from '../support/mysql-proxy.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { outcomeOf } from './support/deliveries.ts';
import { type LocalShop, openLocalShop } from './support/local-shop.ts';
import { ROW_BEFORE_COMMIT, ROW_FIRST, STRATEGIES, orderListener } from './support/strategies.ts';

const RECEIPT = { transactionId: expect.any(String), correlationId: expect.any(String) };
const PATIENCE = { timeout: 10_000 };
/** On top of a configured time, for a busy machine. */
const SLACK_MS = 5_000;

let shop: LocalShop;
let publisher: TransactionalPublisher | undefined;
let orders = 0;
const nextId = (): string => `order-${++orders}`;
/** Runs of the local transaction, by what all of them say first: with the session lock there is no BEGIN on the wire. */
const begun = (): number => shop.story.filter((step) => step.startsWith('insert into `orders`')).length;
const ends = (): string[] => shop.story.filter((step) => step.startsWith('END'));

beforeAll(async () => {
  shop = await openLocalShop('refusals');
});
afterAll(() => shop?.[Symbol.asyncDispose]());
beforeEach(() => {
  shop.proxy.pass();
  shop.story.length = 0;
  shop.broker.halves.length = 0;
});
afterEach(() => publisher?.close());

/** Somebody else's transaction that holds the row of an order locked until it is ended. */
async function lockRow(orderId: string): Promise<{ release(): Promise<void> }> {
  const connection = await createConnection(shop.database.url);
  await connection.beginTransaction();
  const [rows] = await connection.query('select id from orders where id = ? for update', [orderId]);
  expect(rows).toHaveLength(1);
  return {
    release: async () => {
      await connection.rollback();
      connection.destroy();
    },
  };
}

/** A row that orders of this test update as well. */
async function aStockRow(): Promise<string> {
  const id = `stock-${nextId()}`;
  await shop.orm.em.fork().insert(OrderEntity, {
    id,
    transactionId: id,
    customerId: 'c',
    amountMinor: 1n,
    currency: 'EUR',
    status: 'PLACED',
    createdAt: new Date(),
  });
  return id;
}

describe.each(STRATEGIES)('A local transaction that falls to locks, under $name', (strategy) => {
  const halvesBefore = strategy.half === 'beforeCommit' ? 0 : 1;

  it('runs again after a lock wait under the same half message, and commits once', async () => {
    const stock = await aStockRow();
    const orderId = nextId();
    const lock = await lockRow(stock);
    let runs = 0;
    const listener = orderListener('orders', strategy, (execute) => async (em, order, context) => {
      runs += 1;
      await execute(em, order, context);
      // Its row is there when it falls: the second run inserts it again.
      await em.flush();
      await em.getConnection().execute('set session innodb_lock_wait_timeout = 1', [], 'run', em.getTransactionContext());
      if (runs === 2) await lock.release();
      await em.nativeUpdate(OrderEntity, { id: stock }, { status: 'PAID' });
      return 'COMMIT' as const;
    });
    publisher = await shop.start(listener);
    await publisher.publish(listener, anOrder(orderId));
    expect(runs).toBe(2);
    expect(begun()).toBe(2);
    expect(shop.broker.halves).toHaveLength(1);
    expect(await shop.orderIds()).toContain(orderId);
    await publisher.close();
    expect(ends()).toEqual(['END COMMIT']);
  });

  it('is given up after maxTransactionAttempts lock waits: rejected, rolled back, END ROLLBACK', async () => {
    const stock = await aStockRow();
    const orderId = nextId();
    const lock = await lockRow(stock);
    const listener = orderListener('orders', strategy, (execute) => async (em, order, context) => {
      await execute(em, order, context);
      await em.flush();
      await em.getConnection().execute('set session innodb_lock_wait_timeout = 1', [], 'run', em.getTransactionContext());
      await em.nativeUpdate(OrderEntity, { id: stock }, { status: 'PAID' });
      return 'COMMIT' as const;
    });
    publisher = await shop.start(listener, { maxTransactionAttempts: 2 });
    const error = await outcomeOf(publisher.publish(listener, anOrder(orderId)));
    await lock.release();
    expect(error).toBeInstanceOf(LocalTransactionError);
    expect(error).toMatchObject({ reason: 'threw', cause: { errno: 1205 } });
    expect(begun()).toBe(2);
    expect(shop.broker.halves).toHaveLength(halvesBefore);
    expect(await shop.orderIds()).not.toContain(orderId);
    await publisher.close();
    expect(ends()).toEqual(Array.from({ length: halvesBefore }, () => 'END ROLLBACK'));
  });
});

describe('Two orders in a deadlock', () => {
  it('both commit: the victim runs again under its own half message', async () => {
    const stocks = [await aStockRow(), await aStockRow()];
    const ids = [nextId(), nextId()];
    const locked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const runs = [0, 0];
    const listener = orderListener('orders', ROW_FIRST, (execute) => async (em, order, context) => {
      const me = ids.indexOf(order.orderId);
      const other = 1 - me;
      runs[me]! += 1;
      await execute(em, order, context);
      await em.nativeUpdate(OrderEntity, { id: stocks[me]! }, { status: 'PAID' });
      locked[me]!.resolve();
      await locked[other]!.promise;
      await em.nativeUpdate(OrderEntity, { id: stocks[other]! }, { status: 'PAID' });
      return 'COMMIT' as const;
    });
    publisher = await shop.start(listener);
    const receipts = await Promise.all(ids.map((id) => publisher!.publish(listener, anOrder(id))));
    expect(receipts).toEqual([RECEIPT, RECEIPT]);
    expect(runs.toSorted()).toEqual([1, 2]);
    expect(shop.broker.halves).toHaveLength(2);
    expect(await shop.orderIds()).toEqual(expect.arrayContaining(ids));
  });
});

describe('A pool without a free connection', () => {
  it('rejects with DatabaseUnavailableError in its time, sends no half message, and recovers', async () => {
    const gate = Promise.withResolvers<void>();
    const inside = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let entered = 0;
    const listener = orderListener('orders', ROW_FIRST, (execute) => async (em, order, context) => {
      inside[entered++]?.resolve();
      await gate.promise;
      return execute(em, order, context);
    });
    publisher = await shop.start(listener, { poolSize: 2, connectionTimeoutMs: 1_500 });
    const holders = [nextId(), nextId()].map((id) => publisher!.publish(listener, anOrder(id)));
    await Promise.all(inside.map(({ promise }) => promise));
    const startedAt = performance.now();
    const refused = await Promise.all([nextId(), nextId(), nextId()].map((id) => outcomeOf(publisher!.publish(listener, anOrder(id)))));
    expect(performance.now() - startedAt).toBeLessThan(1_500 + SLACK_MS);
    for (const error of refused) expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect(shop.broker.halves).toHaveLength(2);
    gate.resolve();
    await Promise.all(holders);
    // Whoever gave up while it waited must not have taken a connection with it.
    expect(await Promise.all([nextId(), nextId(), nextId(), nextId()].map((id) => publisher!.publish(listener, anOrder(id))))).toEqual(
      Array.from({ length: 4 }, () => RECEIPT),
    );
    expect(shop.broker.halves).toHaveLength(6);
  });
});

describe.each([ROW_FIRST, ROW_BEFORE_COMMIT])('A server that has become read-only, under $name', (strategy) => {
  it.each([
    ['INSERT', /^insert into `orders`/, 'threw'],
    ['COMMIT', /^commit$/, 'refused'],
  ] as const)('refuses the %s: rejected, rolled back, nothing in doubt, END ROLLBACK', async (_what, matches, reason) => {
    const listener = orderListener('orders', strategy);
    publisher = await shop.start(listener);
    const orderId = nextId();
    const struck = shop.proxy.intercept(matches, (statement) => statement.refuse(READ_ONLY));
    const [error] = await Promise.all([outcomeOf(publisher.publish(listener, anOrder(orderId))), struck]);
    expect(error).toBeInstanceOf(LocalTransactionError);
    expect(error).toMatchObject({ reason, acted: 'no' });
    expect(await shop.orderIds()).not.toContain(orderId);
    expect(await publisher.publish(listener, anOrder(nextId()))).toEqual(RECEIPT);
    await publisher.close();
    const rolledBack = strategy.half === 'first' || reason === 'refused' ? ['END ROLLBACK'] : [];
    expect(ends().toSorted()).toEqual(['END COMMIT', ...rolledBack]);
  });
});

describe('A server with too many connections', () => {
  it('rejects with DatabaseUnavailableError before anything is sent, answers UNKNOWN, and recovers', async () => {
    const listener = orderListener('orders', ROW_FIRST);
    publisher = await shop.start(listener, { connectionTimeoutMs: 1_000 });
    const { transactionId } = await publisher.publish(listener, anOrder(nextId()));
    const [half] = shop.broker.halves;
    shop.proxy.refuseConnections(TOO_MANY_CONNECTIONS);
    shop.proxy.cut();
    const refused = await Promise.all([nextId(), nextId()].map((id) => outcomeOf(publisher!.publish(listener, anOrder(id)))));
    for (const error of refused) expect(error).toMatchObject({ code: 'CB_DATABASE_UNAVAILABLE', cause: { errno: 1040 } });
    expect(shop.broker.halves).toHaveLength(1);
    expect(half!.properties['checkback-tx']).toBe(transactionId);
    expect(await shop.broker.ask(half!)).toBe('UNKNOWN');

    shop.proxy.pass();
    await expect.poll(() => shop.broker.ask(half!), PATIENCE).toBe('COMMIT');
    expect(await publisher.publish(listener, anOrder(nextId()))).toEqual(RECEIPT);
  });
});
