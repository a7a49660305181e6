import type { MikroORM } from '@mikro-orm/mysql';
import { Kysely, MysqlDialect } from 'kysely';
import type { PoolConnection, ResultSetHeader } from 'mysql2';
import { withDeadline } from '../shared/deadline.ts';
import type { OpenTransaction } from './fenced-session.ts';
import { type SidePool, businessPool } from './side-pool.ts';

/** A Kysely instance whose tables are none of our business. */
// oxlint-disable-next-line typescript/no-explicit-any -- Kysely's own default for "any schema"
export type AnyKysely = Kysely<any>;

/** What is known of a physical connection from its first use on. */
interface Physical {
  /** A transaction on it is what an EntityManager takes. */
  readonly kysely: AnyKysely;
  /** Resolves when it is gone; listened for from the start, since `end` is told only once. */
  readonly death: Promise<void>;
  /** Autocommit is off: the first statement of a transaction is its BEGIN. */
  beginsByItself: boolean;
}
const physicals = new WeakMap<PoolConnection, Physical>();

/** A connection of the business's pool, taken out of it for one local transaction. */
export class ReservedConnection {
  readonly #connection: PoolConnection;
  readonly #physical: Physical;
  readonly #side: SidePool;
  #gone = false;

  private constructor(connection: PoolConnection, side: SidePool, idleSeconds: number) {
    this.#connection = connection;
    this.#side = side;
    let physical = physicals.get(connection);
    if (physical === undefined) {
      physical = meet(connection);
      physicals.set(connection, physical);
      // Once a connection, not waited for: a server keeps the rows of a client that vanished without a word locked
      // for eight hours otherwise.
      connection.query(`set session wait_timeout = ${idleSeconds}`, () => {});
    }
    this.#physical = physical;
  }

  get kysely(): AnyKysely {
    return this.#physical.kysely;
  }

  /** To be told by whoever changes autocommit. */
  set beginsByItself(value: boolean) {
    this.#physical.beginsByItself = value;
  }

  /** Rejects when the pool gives none within `timeoutMs`; one that comes too late goes straight back. */
  static async take(orm: MikroORM, side: SidePool, options: { timeoutMs: number; idleSeconds: number }): Promise<ReservedConnection> {
    const pool = await businessPool(orm);
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        reject(new Error(`none was ready within ${options.timeoutMs} ms`));
      }, options.timeoutMs);
      pool.getConnection((error, connection) => {
        clearTimeout(timer);
        if (error) return reject(error);
        if (late) return connection.release();
        resolve(new ReservedConnection(connection, side, options.idleSeconds));
      });
    });
  }

  /** BEGIN on the connection itself: an entity manager's way costs more than the statement. */
  async begin(): Promise<OpenTransaction> {
    const run: OpenTransaction['run'] = async (sql, parameters) => {
      const answer = await this.#answer(sql, parameters);
      if (Array.isArray(answer)) return { rows: answer as object[], affectedRows: 0, insertId: 0 };
      return { rows: [], affectedRows: answer.affectedRows, insertId: answer.insertId };
    };
    if (!this.#physical.beginsByItself) await run('begin', []);
    return {
      run,
      commit: async () => void (await run('commit', [])),
      rollback: async () => void (await run('rollback', [])),
    };
  }

  /** The server's status flags as its answer to a statement without rows has them. */
  async serverStatusAfter(sql: string, ...parameters: unknown[]): Promise<number> {
    return ((await this.#answer(sql, parameters)) as ResultSetHeader & { serverStatus: number }).serverStatus;
  }

  #answer(sql: string, parameters: readonly unknown[]): Promise<ResultSetHeader | unknown[]> {
    return new Promise((resolve, reject) => {
      this.#connection.query(sql, [...parameters], (error: unknown, answer: unknown) =>
        error ? reject(error) : resolve(answer as ResultSetHeader | unknown[]),
      );
    });
  }

  /**
   * Ends the session on the server, whatever it is doing: rolled back and its locks freed there, its statements rejected
   * here. Over another pool, because this one may have no connection left. Never rejects; the connection is of no use afterwards.
   */
  async kill(): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    await withDeadline(
      this.#side.query(`kill ${this.#connection.threadId}`).then(() => this.#physical.death),
      2_000,
      // The server cannot be reached, or has ended it already: it ends it when it misses us.
      () => new Error('not seen dead'),
    ).catch(() => {});
    this.#connection.destroy();
  }

  /** Back to the pool; nothing when it was killed. */
  release(): void {
    if (!this.#gone) this.#connection.release();
    this.#gone = true;
  }
}

function meet(connection: PoolConnection): Physical {
  const death = new Promise<void>((resolve) => connection.once('end', resolve).once('error', () => resolve()));
  const physical = { death, beginsByItself: false };
  return Object.assign(physical, { kysely: boundKysely(connection, () => physical.beginsByItself) });
}

/** Kysely takes its connections from a pool; this one always has the same, and keeps it. */
function boundKysely(connection: PoolConnection, beginsByItself: () => boolean): AnyKysely {
  const bound = {
    threadId: connection.threadId,
    config: connection.config,
    query: (sql: unknown, parameters: unknown, callback: (error: unknown, result: unknown) => void) => {
      if (sql === 'begin' && beginsByItself()) return callback(null, { affectedRows: 0, insertId: 0, changedRows: 0 });
      return connection.query(sql as string, parameters as unknown[], callback);
    },
    destroy: connection.destroy.bind(connection),
    release: () => {},
  };
  const pool = {
    getConnection: (callback: (error: unknown, connection: never) => void) => callback(undefined, bound as never),
    end: (callback: () => void) => callback(),
  };
  return new Kysely({ dialect: new MysqlDialect({ pool: pool as never }) });
}
