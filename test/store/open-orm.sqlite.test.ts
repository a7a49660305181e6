import { defineEntity, p } from '@mikro-orm/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, OrderEntity } from '../../schema/index.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';

describe('openOrm on a SQLite file', () => {
  let home: TestSqlite;
  beforeEach(async () => void (home = await createSqlite()));
  afterEach(() => home.drop());

  it('waits for nobody who reads, loses nothing that was committed, and holds foreign keys', async () => {
    const orm = await home.open();
    const pragma = async (name: string) =>
      Object.values((await orm.em.getConnection().execute(`pragma ${name}`))[0] as object)[0] as unknown;
    expect(await Promise.all(['journal_mode', 'synchronous', 'foreign_keys'].map(pragma))).toEqual(['wal', 2, 1]);
  });

  it('makes the tables of the entities once, adds those of new entities, and takes all of them back', async () => {
    const orm = await home.open();
    expect(await orm.migrator.getPending()).toEqual([]);
    expect(await orm.migrator.up()).toEqual([]);
    const Added = defineEntity({ name: 'Added', properties: { id: p.integer().primary(), word: p.string().unique() } });
    const later = await home.open({ entities: [OrderEntity, ...ENGINE_ENTITIES, Added] });
    expect(await later.migrator.getPending()).toEqual([
      { name: expect.stringMatching(/^tables-of-entities-[0-9a-f]{12}$/), path: undefined },
    ]);
    await later.migrator.up();
    await later.em.fork().insert(Added, { id: 1, word: 'a' });
    await expect(later.em.fork().insert(Added, { id: 2, word: 'a' })).rejects.toThrow(/UNIQUE/);
    await later.migrator.down();
    expect(await later.em.getConnection().execute("select name from sqlite_master where name in ('added', 'orders')")).toEqual([]);
  });

  it('refuses a table whose entity has changed since', async () => {
    const Changed = defineEntity({ name: 'Order', tableName: 'orders', properties: { id: p.string().primary(), more: p.string() } });
    const orm = await home.open({ entities: [...ENGINE_ENTITIES, Changed] });
    await expect(orm.migrator.up()).rejects.toThrow(/table orders was made from another version of its entity: delete the SQLite file/);
  });

  it('refuses a file in a folder that is not there', async () => {
    await expect(openOrm({ url: `sqlite://${home.path}/none/a.db`, entities: [OrderEntity] })).rejects.toMatchObject({
      code: 'CB_DATABASE_UNAVAILABLE',
      message: expect.stringContaining('/none/a.db cannot be opened') as unknown,
    });
  });

  it('keeps whole numbers beyond 2^53 and dates to the millisecond', async () => {
    const orm = await home.open();
    const order = { transactionId: 't', customerId: 'c', amountMinor: 9_007_199_254_740_993n, currency: 'EUR', status: 'PLACED' as const };
    const createdAt = new Date('2026-01-02T03:04:05.678Z');
    await orm.em.fork().insert(OrderEntity, { id: 'o', ...order, createdAt });
    expect(await orm.em.fork().findOneOrFail(OrderEntity, { id: 'o' })).toMatchObject({ amountMinor: 9_007_199_254_740_993n, createdAt });
  });

  it('runs transactions of two instances one after the other, and lets others read meanwhile', async () => {
    const [one, two] = [await home.open(), await home.open()];
    const insert = (id: string) => ({
      id,
      transactionId: id,
      customerId: 'c',
      amountMinor: 1n,
      currency: 'EUR',
      status: 'PLACED' as const,
      createdAt: new Date(),
    });
    const mayCommit = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const first = one.em.fork().transactional(async (em) => {
      await em.insert(OrderEntity, insert('first'));
      begun.resolve();
      await mayCommit.promise;
    });
    await begun.promise;
    let isSecondDone = false;
    const second = two.em
      .fork()
      .transactional((em) => em.insert(OrderEntity, insert('second')))
      .then(() => (isSecondDone = true));
    const alone = two.em.fork().insert(OrderEntity, insert('alone'));
    expect(await two.em.fork().count(OrderEntity)).toBe(0);
    expect(isSecondDone).toBe(false);
    mayCommit.resolve();
    await Promise.all([first, second, alone]);
    expect(await one.em.fork().count(OrderEntity)).toBe(3);
  });

  it('refuses a statement of a transaction that is over, and undoes what an error left', async () => {
    const orm = await home.open();
    const failing = orm.em.fork().transactional(async (em) => {
      await em.getConnection().execute("insert into transaction_marker (id, state) values ('a', 1)", [], 'run', em.getTransactionContext());
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    const connection = orm.em.getConnection();
    const kept = await connection.transactional(async (context) => context);
    await expect(connection.execute('select 1', [], 'all', kept)).rejects.toThrow(/committed/i);
    expect(await connection.execute('select * from transaction_marker')).toEqual([]);
  });
});
