import { v7 as uuidV7 } from 'uuid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MikroORM } from '@mikro-orm/mysql';
import { OrderEntity } from '../../schema/index.ts';
import { mysqlTransactionDatabase } from '../../src/store/mysql-transaction-database.ts';
import { sqliteTransactionDatabase } from '../../src/store/sqlite-transaction-database.ts';
import { type HalfMessageView, rowExists, transactionMarker } from '../../src/transaction/lookup.ts';
import type { TransactionDatabase } from '../../src/transaction/transaction-database.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';

const byRow = rowExists(OrderEntity, ({ transactionId }) => ({ transactionId }));
const never = new AbortController().signal;
const half = (transactionId: string): HalfMessageView => ({ transactionId, topic: 'orders', tag: 'placed', keys: [], payload: {} });
const order = (id: string) => ({
  id,
  transactionId: id,
  customerId: 'c',
  amountMinor: 1n,
  currency: 'EUR',
  status: 'PLACED' as const,
  createdAt: new Date(),
});

describe('sqliteTransactionDatabase', () => {
  let home: TestSqlite;
  let orm: MikroORM;
  let database: TransactionDatabase;
  const start = async (): Promise<TransactionDatabase> => {
    const started = sqliteTransactionDatabase(await home.open());
    await started.start(
      [byRow, transactionMarker()].map((lookup) => ({ name: 'l', lookup, half: 'first' as const })),
      { transactionTimeoutMs: 1_000 },
    );
    return started;
  };
  beforeEach(async () => {
    home = await createSqlite();
    orm = await home.open();
    database = await start();
  });
  afterEach(async () => {
    await database.close();
    await home.drop();
  });

  it('answers for other transactions while one that has written waits for its half to be stored', async () => {
    const [open, committed] = [uuidV7(), uuidV7()];
    await orm.em.fork().insert(OrderEntity, order(committed));
    await database.withFencedSession(open, 'row', 1_000, async (session) => {
      const em = await session.begin();
      await em.insert(OrderEntity, order(open));
      expect(await database.check(byRow, half(open), never)).toBe('UNKNOWN');
      expect(await database.check(byRow, half(committed), never)).toBe('COMMIT');
      expect(await database.check(byRow, half(uuidV7()), never)).toBe('ROLLBACK');
      await session.commit();
    });
    await expect.poll(() => database.check(byRow, half(open), never)).toBe('COMMIT');
  });

  it('shares its fences with every other publisher of the file in this process', async () => {
    const other = await start();
    const id = uuidV7();
    await database.withFencedSession(id, 'session-lock', 1_000, async () => {
      expect(await other.check(byRow, half(id), never)).toBe('UNKNOWN');
    });
    await expect.poll(() => other.check(byRow, half(id), never)).toBe('ROLLBACK');
    await other.close();
  });

  it('kills a session that waits for its turn to write, and one that has it, leaving the turn to others', async () => {
    const ids = [uuidV7(), uuidV7(), uuidV7()];
    await database.withFencedSession(ids[0]!, 'session-lock', 1_000, async (writing) => {
      const em = await writing.begin();
      await em.insert(OrderEntity, order(ids[0]!));
      await database.withFencedSession(ids[1]!, 'session-lock', 1_000, async (waiting) => {
        const begun = waiting.begin();
        await Promise.all([expect(begun).rejects.toThrow('the session was killed'), waiting.kill()]);
      });
      await writing.kill();
      await expect(em.insert(OrderEntity, order(ids[2]!))).rejects.toThrow(/is over/);
      await expect(writing.commit()).rejects.toThrow(/COMMIT without BEGIN/);
    });
    await database.withFencedSession(ids[2]!, 'session-lock', 1_000, async (session) => {
      const em = await session.begin();
      await em.insert(OrderEntity, order(ids[2]!));
      await session.commit();
    });
    for (const [id, answer] of [
      [ids[0], 'ROLLBACK'],
      [ids[1], 'ROLLBACK'],
      [ids[2], 'COMMIT'],
    ] as const)
      await expect.poll(() => database.check(byRow, half(id!), never)).toBe(answer);
  });

  it('runs a transaction again that fell to another writer', async () => {
    await database.withFencedSession(uuidV7(), 'session-lock', 1_000, async (session) => {
      const busy = Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' });
      expect(session.isWorthRepeating(busy)).toBe(true);
      expect(session.isWorthRepeating(Object.assign(new Error('no'), { code: 'SQLITE_CONSTRAINT_UNIQUE' }))).toBe(false);
    });
  });

  it('takes nothing before its start nor after its end, and no ORM that openOrm did not open', async () => {
    const idle = sqliteTransactionDatabase(orm);
    await expect(idle.withFencedSession(uuidV7(), 'row', 100, async () => 1)).rejects.toMatchObject({ code: 'CB_DATABASE_UNAVAILABLE' });
    await database.close();
    await expect(database.withFencedSession(uuidV7(), 'row', 100, async () => 1)).rejects.toThrow(/is closed/);
    await expect(database.check(byRow, half(uuidV7()), never)).rejects.toThrow(/is closed/);
    await expect(mysqlTransactionDatabase(orm).start([], { transactionTimeoutMs: 1_000 })).rejects.toThrow(
      'this needs a MySQL or MariaDB server; the database is a SQLite file',
    );
    expect(() => sqliteTransactionDatabase({ config: {} } as never)).toThrow(/must be one that openOrm opened/);
  });
});
