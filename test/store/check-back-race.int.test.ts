import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Migration20260101000000Orders, OrderEntity } from '../../schema/index.ts';
import { mysqlTransactionDatabase } from '../../src/store/mysql-transaction-database.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { type HalfMessageView, rowExists } from '../../src/transaction/lookup.ts';
import type { TransactionDatabase } from '../../src/transaction/transaction-database.ts';
import { type TestDatabase, createDatabase } from '../support/stack.ts';

const lookup = rowExists(OrderEntity, ({ transactionId }) => ({ transactionId }));
const never = new AbortController().signal;
let home: TestDatabase;
let orm: MikroORM;
let database: TransactionDatabase;
let serial = 0;

const half = (transactionId: string): HalfMessageView => ({ transactionId, topic: 'orders', tag: 'placed', keys: [], payload: {} });
const order = (transactionId: string) => ({
  id: `order-${transactionId}`,
  transactionId,
  customerId: 'c1',
  amountMinor: 100n,
  currency: 'EUR',
  status: 'PLACED' as const,
});
const nextId = (): string => `00000000-0000-7000-8000-${String(++serial).padStart(12, '0')}`;

beforeAll(async () => {
  home = await createDatabase('race');
  orm = await openOrm({ url: home.url, entities: [OrderEntity], migrations: [Migration20260101000000Orders], poolSize: 5 });
  await orm.migrator.up();
  database = mysqlTransactionDatabase(orm);
});

afterAll(async () => {
  await orm?.close(true);
  await home?.drop();
});

describe('Check-back under the session lock, on a real database', () => {
  it('answers UNKNOWN, UNKNOWN, COMMIT as the transaction is not begun, open with its row inserted, committed', async () => {
    const id = nextId();
    await database.withFencedSession(id, 2_000, async (session) => {
      expect(await database.check(lookup, half(id), never), 'not begun').toBe('UNKNOWN');
      const em = await session.begin(never);
      em.create(OrderEntity, order(id));
      await em.flush();
      expect(await database.check(lookup, half(id), never), 'open, row inserted').toBe('UNKNOWN');
      await session.commit();
    });
    expect(await database.check(lookup, half(id), never), 'committed').toBe('COMMIT');
    expect(await database.check(lookup, half(id), never), 'the same for ever').toBe('COMMIT');
  });

  it('answers ROLLBACK once the transaction is rolled back, and not before', async () => {
    const id = nextId();
    await database.withFencedSession(id, 2_000, async (session) => {
      const em = await session.begin(never);
      em.create(OrderEntity, order(id));
      await em.flush();
      await session.rollback();
      expect(await database.check(lookup, half(id), never), 'rolled back, fence still open').toBe('UNKNOWN');
    });
    expect(await database.check(lookup, half(id), never)).toBe('ROLLBACK');
  });

  it('answers ROLLBACK for a transaction that never got a row', async () => {
    expect(await database.check(lookup, half(nextId()), never)).toBe('ROLLBACK');
  });

  it('does not take another attempt at the same order for this one', async () => {
    const [first, second] = [nextId(), nextId()];
    await database.withFencedSession(second, 2_000, async (session) => {
      const em = await session.begin(never);
      em.create(OrderEntity, order(second));
      await session.commit();
    });
    expect(await database.check(lookup, half(first), never)).toBe('ROLLBACK');
    expect(await database.check(lookup, half(second), never)).toBe('COMMIT');
  });

  it('answers UNKNOWN until the server has noticed that a killed session is over, and ROLLBACK then', async () => {
    const id = nextId();
    await database.withFencedSession(id, 2_000, async (session) => {
      const em = await session.begin(never);
      em.create(OrderEntity, order(id));
      await em.flush();
      await session.kill();
    });
    await expect.poll(() => database.check(lookup, half(id), never), { timeout: 10_000 }).not.toBe('UNKNOWN');
    expect(await database.check(lookup, half(id), never)).toBe('ROLLBACK');
  });

  it('lets no work slip past COMMIT or ROLLBACK through an entity manager that was kept', async () => {
    const [kept, late] = [nextId(), nextId()];
    const attempts: Promise<unknown>[] = [];
    await database.withFencedSession(kept, 2_000, async (session) => {
      const em = await session.begin(never);
      const committing = session.commit();
      // Behind COMMIT on the same connection this would run in autocommit.
      await new Promise((resolve) => setImmediate(resolve));
      attempts.push(em.insert(OrderEntity, { ...order(late), createdAt: new Date() }));
      await committing;
      attempts.push(em.insert(OrderEntity, { ...order(late), createdAt: new Date() }));
    });
    for (const attempt of await Promise.allSettled(attempts)) expect(attempt.status).toBe('rejected');
    expect(await database.check(lookup, half(late), never)).toBe('ROLLBACK');
  });

  it('gives every connection back, whatever became of it', async () => {
    const outcomes = Array.from({ length: 40 }, async (_, index) => {
      const id = nextId();
      return database.withFencedSession(id, 10_000, async (session) => {
        const em = await session.begin(never);
        em.create(OrderEntity, order(id));
        if (index % 4 === 0) return session.kill();
        if (index % 4 === 1) throw new Error('boom');
        if (index % 4 === 2) return session.rollback();
        return session.commit();
      });
    });
    await Promise.allSettled(outcomes);
    // Five at once need all five of the pool.
    const gate = Promise.withResolvers<void>();
    let inside = 0;
    const all = Array.from({ length: 5 }, () =>
      database.withFencedSession(nextId(), 5_000, async () => {
        if (++inside === 5) gate.resolve();
        await gate.promise;
      }),
    );
    await Promise.all(all);
  });

  it('says so within its time when the pool has no connection left', async () => {
    const gate = Promise.withResolvers<void>();
    const holders = Array.from({ length: 5 }, () => database.withFencedSession(nextId(), 5_000, () => gate.promise));
    let ran = false;
    await expect(database.withFencedSession(nextId(), 50, async () => (ran = true))).rejects.toMatchObject({ code: 'CB_DATABASE_UNAVAILABLE', acted: 'no' });
    gate.resolve();
    await Promise.all(holders);
    expect(ran).toBe(false);
  });
});

describe('A look-up that could answer for the wrong transaction', () => {
  it.each([
    ['matches only a business key', rowExists(OrderEntity, () => ({ id: 'o1' })), /does not match the transaction id/],
    ['goes through no unique key', rowExists(OrderEntity, (h) => ({ customerId: h.transactionId })), /neither a primary nor a unique key/],
    ['names no property', rowExists(OrderEntity, (h) => ({ txId: h.transactionId })), /has no property "txId"/],
    ['is a range', rowExists(OrderEntity, (h) => ({ transactionId: { $gte: h.transactionId } })), /must be matched by equality/],
    ['is empty', rowExists(OrderEntity, () => ({})), /must be an object of columns/],
    ['names an unknown entity', rowExists(class Nothing {}, (h) => ({ transactionId: h.transactionId })), /Nothing/],
  ])('is refused at start: %s', async (_what, wrong, message) => {
    await expect(database.verify({ name: 'l', lookup: wrong })).rejects.toThrow(message);
  });

  it('may match a business key that is used only once, said so', async () => {
    await expect(database.verify({ name: 'l', lookup: rowExists(OrderEntity, () => ({ id: 'o1' }), { keyUsedOnce: true }) })).resolves.toBeUndefined();
  });

  it('reads the payload: checked with each message instead', async () => {
    const byPayload = rowExists<{ order: { id: string } }>(OrderEntity, (h) => ({ id: h.payload.order.id, transactionId: h.transactionId }));
    await expect(database.verify({ name: 'l', lookup: byPayload })).resolves.toBeUndefined();
    expect(() => database.assertCheckable(byPayload, { ...half('t'), payload: { order: { id: 'o1' } } })).not.toThrow();
    expect(() => database.assertCheckable(byPayload, { ...half('t'), payload: { order: {} } })).toThrow(/"id" is undefined/);
  });
});
