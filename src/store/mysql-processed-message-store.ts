import type { MikroORM } from '@mikro-orm/mysql';
import type { ProcessedMessageStore } from '../worker/processed-message-store.ts';
import { isDuplicateKey } from './mysql-error.ts';

/**
 * The store on MySQL 8.4 and later, MariaDB 11 or a SQLite file of `openOrm`. The row is inserted before the work, so that its lock holds every other
 * delivery of the key back, up to the server's `innodb_lock_wait_timeout`; then the message is retried.
 */
export const mysqlProcessedMessageStore = (orm: MikroORM): ProcessedMessageStore => ({
  async once(listener, idempotencyKey, work) {
    let isOurs = false;
    try {
      await orm.em.fork().transactional(async (em) => {
        await em
          .getConnection()
          .execute(
            'insert into processed_message (listener, idempotency_key, processed_at) values (?, ?, utc_timestamp(3))',
            [listener, idempotencyKey],
            'run',
            em.getTransactionContext(),
          );
        isOurs = true;
        await work(em);
      });
      return 'processed';
    } catch (error) {
      // A duplicate key of the business's own is the listener's failure and not a message seen before.
      if (!isOurs && isDuplicateKey(error)) return 'duplicate';
      throw error;
    }
  },
});

/**
 * Removes what was processed more than `olderThanMs` ago, oldest first, in batches; returns how many. Keep it as long as
 * a message may come again: the broker's `fileReservedTime` (72 hours by default), dead letters that may be replayed
 * included.
 */
export async function purgeProcessedMessages(
  orm: MikroORM,
  { olderThanMs, batch = 1_000 }: { readonly olderThanMs: number; readonly batch?: number },
): Promise<number> {
  if (!Number.isSafeInteger(olderThanMs) || olderThanMs < 3_600_000)
    throw new RangeError(`olderThanMs must be a whole number of at least 3600000 (an hour), got ${olderThanMs}`);
  const connection = orm.em.getConnection('write');
  for (let purged = 0; ;) {
    const { affectedRows } = await connection.execute<{ affectedRows: number }>(
      'delete from processed_message where processed_at < utc_timestamp(3) - interval ? second order by processed_at limit ?',
      [Math.ceil(olderThanMs / 1_000), batch],
      'run',
    );
    purged += affectedRows;
    if (affectedRows < batch) return purged;
  }
}
