import type { MikroORM } from '@mikro-orm/mysql';
import { type Pool, type PoolConnection, type RowDataPacket, createPool } from 'mysql2';
import { ConfigurationError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import { errnoOf } from './mysql-error.ts';
import { sqliteFileOf } from './open-sqlite-orm.ts';

const QUERY_TIMEOUT_MS = 3_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** What a second pool to the same server takes over from the first. */
const CONNECTION_OPTIONS = [
  'host',
  'port',
  'user',
  'password',
  'database',
  'ssl',
  'socketPath',
  'charset',
  'timezone',
  'authPlugins',
] as const;

/**
 * A few connections beside the business's pool: check-backs must be answered, and sessions ended, when that pool has
 * none left. READ COMMITTED and a short lock wait: a look-up never stops on, nor holds up, other people's rows.
 */
export class SidePool {
  readonly #pool: Pool;
  readonly #open = new Set<PoolConnection>();

  private constructor(pool: Pool) {
    this.#pool = pool;
    pool.on('connection', (connection) => {
      this.#open.add(connection);
      connection.once('end', () => this.#open.delete(connection));
    });
  }

  /** Opens no connection by itself. */
  static async beside(orm: MikroORM, size: number): Promise<SidePool> {
    const config = (await businessPool(orm)).config.connectionConfig as Record<string, unknown>;
    const options = Object.fromEntries(CONNECTION_OPTIONS.flatMap((name) => (config[name] == null ? [] : [[name, config[name]]])));
    const pool = createPool({
      ...options,
      connectionLimit: size,
      connectTimeout: 3_000,
      idleTimeout: 60_000,
      maxIdle: 1,
      enableKeepAlive: true,
      keepAliveInitialDelay: 10_000,
    });
    pool.on('connection', (connection) => {
      connection.query('set session transaction isolation level read committed', () => {});
      connection.query('set session innodb_lock_wait_timeout = 1, session lock_wait_timeout = 5', () => {});
    });
    return new SidePool(pool);
  }

  /** Rejects after `QUERY_TIMEOUT_MS`, and gives the connection up: nobody can say what its next answer belongs to. */
  async query<Row>(text: string, ...parameters: unknown[]): Promise<Row[]> {
    const connection = await this.#pool.promise().getConnection();
    try {
      const [rows] = await withDeadline(
        connection.query<RowDataPacket[]>(text, parameters),
        QUERY_TIMEOUT_MS,
        () => new Error(`the database did not answer within ${QUERY_TIMEOUT_MS} ms`),
      );
      connection.release();
      return rows as Row[];
    } catch (error) {
      // An error of the server leaves the connection whole.
      if ((errnoOf(error) ?? 0) <= 0) connection.destroy();
      else connection.release();
      throw error;
    }
  }

  /** The id the server, or a proxy, greeted a connection with, and the id of the session its statements run in. */
  async sessionIds(): Promise<{ greetedAs: number; runsAs: number }> {
    const connection = await this.#pool.promise().getConnection();
    try {
      const [rows] = await connection.query<RowDataPacket[]>('select @@pseudo_thread_id as id');
      return { greetedAs: connection.threadId, runsAs: Number(rows[0]?.['id']) };
    } finally {
      connection.release();
    }
  }

  /** Idempotent; never rejects; a connection that says no goodbye in its time is cut. */
  async close(): Promise<void> {
    await withDeadline(this.#pool.promise().end(), CLOSE_TIMEOUT_MS, () => new Error('not closed')).catch(() => {});
    for (const connection of this.#open) connection.destroy();
  }
}

/** mysql2's pool behind a MikroORM instance, and the configuration its types leave out. */
export async function businessPool(orm: MikroORM): Promise<Pool & { config: { connectionConfig: object } }> {
  if (sqliteFileOf(orm) !== undefined) throw new ConfigurationError('this needs a MySQL or MariaDB server; the database is a SQLite file');
  return (await orm.em.getConnection('write').getNativeClient()) as Pool & { config: { connectionConfig: object } };
}
