import type { MikroORM } from '@mikro-orm/mysql';
import { type Pool, type RowDataPacket, createPool } from 'mysql2';

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

  private constructor(pool: Pool) {
    this.#pool = pool;
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

  async query<Row>(text: string, ...parameters: unknown[]): Promise<Row[]> {
    const [rows] = await this.#pool.promise().query<RowDataPacket[]>(text, parameters);
    return rows as Row[];
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

  /** Idempotent; never rejects. */
  async close(): Promise<void> {
    await this.#pool
      .promise()
      .end()
      .catch(() => {});
  }
}

/** mysql2's pool behind a MikroORM instance, and the configuration its types leave out. */
export async function businessPool(orm: MikroORM): Promise<Pool & { config: { connectionConfig: object } }> {
  return (await orm.em.getConnection('write').getNativeClient()) as Pool & { config: { connectionConfig: object } };
}
