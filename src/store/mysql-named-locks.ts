import { setTimeout } from 'node:timers/promises';
import { BaseSqliteConnection, type MikroORM } from '@mikro-orm/mysql';
import type { PoolConnection, RowDataPacket } from 'mysql2/promise';
import { withDeadline } from '../shared/deadline.ts';
import { businessPool } from './side-pool.ts';

/** Far less than `IDLE_SECONDS`. */
const ALIVE_EVERY_MS = 20_000;
/** After that the server takes a silent session for gone: its machine died without a word. */
const IDLE_SECONDS = 90;
const RELEASE_MS = 2_000;

/**
 * Locks of the whole database by name, held by a session of its own: a process that is killed lets go of them as its
 * socket closes. A session that ended unnoticed has lost them, so they keep work from being done twice in vain, and are
 * no fence.
 */
export interface NamedLocks {
  /** Waits for at most `waitSeconds`, default not at all. False when somebody else has it. */
  lock(name: string, waitSeconds?: number): Promise<boolean>;
  unlock(name: string): Promise<void>;
  /** Lets go of all. Idempotent; never rejects. */
  release(): Promise<void>;
}

// The server's names are its own for all databases, and 64 characters at most.
// Not md5: MySQL 9 has it only with a component installed.
const NAME = "concat('cb:', left(sha2(concat(coalesce(database(), ''), '/', ?), 256), 32))";

/** Takes a connection out of the business's pool until released. On SQLite, which has no such locks, those of this process. */
export const openNamedLocks = async (orm: MikroORM): Promise<NamedLocks> => {
  if (orm.em.getConnection() instanceof BaseSqliteConnection) return locksOfProcess(String(orm.config.get('dbName')));
  const connection: PoolConnection = await (await businessPool(orm)).promise().getConnection();
  connection.on('error', () => {});
  const ask = async (sql: string, binds: readonly (string | number)[]): Promise<number> => {
    const [[row]] = await connection.query<RowDataPacket[]>(`select ${sql} as granted`, [...binds]);
    return Number(row?.['granted']);
  };
  const alive = setInterval(() => void connection.query('select 1').catch(() => {}), ALIVE_EVERY_MS);
  alive.unref();
  let isReleased = false;
  const locks: NamedLocks = {
    lock: async (name, waitSeconds = 0) => (await ask(`get_lock(${NAME}, ?)`, [name, waitSeconds])) === 1,
    unlock: async (name) => void (await ask(`release_lock(${NAME})`, [name])),
    release: async () => {
      if (isReleased) return;
      isReleased = true;
      clearInterval(alive);
      // Said in so many words: the server may take a while to notice that a session has gone.
      await withDeadline(connection.query('select release_all_locks()'), RELEASE_MS, () => new Error('no answer')).catch(() => {});
      // Its session's settings are not the pool's.
      connection.destroy();
    },
  };
  try {
    await connection.query(`set session wait_timeout = ${IDLE_SECONDS}`);
    return locks;
  } catch (error) {
    await locks.release();
    throw error;
  }
};

const heldHere = new Set<string>();

const locksOfProcess = (database: string): NamedLocks => {
  const mine = new Set<string>();
  const unlock = (key: string): void => {
    if (mine.delete(key)) heldHere.delete(key);
  };
  return {
    lock: async (name, waitSeconds = 0) => {
      const key = `${database}/${name}`;
      const until = performance.now() + waitSeconds * 1_000;
      while (heldHere.has(key) && !mine.has(key)) {
        if (performance.now() >= until) return false;
        await setTimeout(5);
      }
      heldHere.add(key);
      mine.add(key);
      return true;
    },
    unlock: async (name) => unlock(`${database}/${name}`),
    release: async () => mine.forEach(unlock),
  };
};
