import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mysqlProcessedMessageStore, purgeProcessedMessages } from '../../src/store/mysql-processed-message-store.ts';
import type { ProcessedMessageStore } from '../../src/worker/processed-message-store.ts';
import { executeIn } from '../support/execute-in.ts';
import type { OpenHome, StoreHome } from './store-home.ts';

/** What every store of processed messages does. */
export const describeProcessedMessageStore = (open: OpenHome): void => {
  describe('Store of processed messages', () => {
    let home: StoreHome;
    let orm: MikroORM;
    let store: ProcessedMessageStore;
    let keys = 0;

    beforeAll(async () => {
      home = await open();
      ({ orm } = home);
      await execute(`create table effect (id ${home.numbered}, call_key varchar(64) not null, once_only int unique)`);
      store = mysqlProcessedMessageStore(orm);
    });
    afterAll(async () => {
      await home?.close();
    });

    const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
    const freshKey = (): string => `key-${(keys += 1)}`;
    const effectsOf = async (key: string): Promise<number> =>
      Number((await execute('select count(*) as n from effect where call_key = ?', [key]))[0]?.['n']);
    const takeEffect = (key: string) => async (em: EntityManager) =>
      void (await executeIn(em, 'insert into effect (call_key) values (?)', [key]));

    it('lets work once per listener and key, and calls every further time a duplicate', async () => {
      const key = freshKey();
      expect(await store.once('a', key, takeEffect(key))).toBe('processed');
      expect(await store.once('a', key, takeEffect(key))).toBe('duplicate');
      expect(await effectsOf(key)).toBe(1);
      expect(await store.once('b', key, takeEffect(key))).toBe('processed');
      expect(await store.once('a', key.toUpperCase(), takeEffect(key))).toBe('processed');
    });

    it('leaves nothing behind when the work throws, and lets it be done later', async () => {
      const key = freshKey();
      const fault = new Error('bug');
      const failing = store.once('a', key, async (em) => {
        await takeEffect(key)(em);
        throw fault;
      });
      await expect(failing).rejects.toBe(fault);
      expect(await effectsOf(key)).toBe(0);
      expect(await store.once('a', key, takeEffect(key))).toBe('processed');
    });

    it('lets one of many concurrent deliveries work; the others wait for it and are duplicates', async () => {
      const key = freshKey();
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => onceOrAgain(key)));
      expect(outcomes.filter((outcome) => outcome === 'processed')).toHaveLength(1);
      expect(await effectsOf(key)).toBe(1);
    });

    it('passes a duplicate key of the work itself on as the failure it is', async () => {
      await execute('insert into effect (call_key, once_only) values (?, 1)', ['other']);
      const clash = store.once('a', freshKey(), async (em) => {
        await executeIn(em, 'insert into effect (call_key, once_only) values (?, 1)', ['mine']);
      });
      await expect(clash).rejects.toThrow(/duplicate|unique/i);
    });

    it('is purged of what is older than it is told, in batches', async () => {
      await execute('delete from processed_message');
      for (let n = 0; n < 5; n += 1) await store.once('a', freshKey(), async () => {});
      await execute('update processed_message set processed_at = utc_timestamp(3) - interval 3 day where idempotency_key <> ?', [
        `key-${keys}`,
      ]);
      expect(await purgeProcessedMessages(orm, { olderThanMs: 72 * 3_600_000 - 60_000, batch: 2 })).toBe(4);
      expect(await execute('select idempotency_key from processed_message')).toEqual([{ idempotency_key: `key-${keys}` }]);
      await expect(purgeProcessedMessages(orm, { olderThanMs: 5 })).rejects.toThrow(
        'olderThanMs must be a whole number of at least 3600000',
      );
    });

    /** A deadlock of those that wait is the database's way to say "again"; a worker's retry does the same. */
    const onceOrAgain = async (key: string): Promise<string> => {
      for (;;) {
        const outcome = await store.once('a', key, takeEffect(key)).catch((error: unknown) => error);
        if (typeof outcome === 'string') return outcome;
      }
    };
  });
};
