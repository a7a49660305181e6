import type { MikroORM } from '@mikro-orm/mysql';
import { CompiledQuery, Kysely, MysqlDialect } from 'kysely';
import type { PoolConnection } from 'mysql2';
import { withDeadline } from '../shared/deadline.ts';
import { type SidePool, businessPool } from './side-pool.ts';

/** A Kysely instance whose tables are none of our business. */
// oxlint-disable-next-line typescript/no-explicit-any -- Kysely's own default for "any schema"
export type AnyKysely = Kysely<any>;

/** One Kysely for each physical connection: a transaction on it is what an EntityManager takes. */
const kyselyOf = new WeakMap<PoolConnection, AnyKysely>();
/** Resolves when a physical connection is gone; listened for from its first use, since `end` is told only once. */
const deathOf = new WeakMap<PoolConnection, Promise<void>>();

/** A connection of the business's pool, taken out of it for one local transaction. */
export class ReservedConnection {
  readonly kysely: AnyKysely;
  readonly #connection: PoolConnection;
  readonly #side: SidePool;
  #gone = false;

  private constructor(connection: PoolConnection, side: SidePool, idleSeconds: number) {
    this.#connection = connection;
    this.#side = side;
    let kysely = kyselyOf.get(connection);
    if (kysely === undefined) {
      kysely = boundKysely(connection);
      kyselyOf.set(connection, kysely);
      deathOf.set(connection, new Promise((resolve) => connection.once('end', resolve).once('error', () => resolve())));
      // Once a connection, not waited for: a server keeps the rows of a client that vanished without a word locked
      // for eight hours otherwise.
      connection.query(`set session wait_timeout = ${idleSeconds}`, () => {});
    }
    this.kysely = kysely;
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

  async query<Row>(text: string, ...parameters: unknown[]): Promise<Row[]> {
    return (await this.kysely.executeQuery<Row>(CompiledQuery.raw(text, parameters))).rows;
  }

  /**
   * Ends the session on the server, whatever it is doing: rolled back and its locks freed there, its statements rejected
   * here. Over another pool, because this one may have no connection left. Never rejects; the connection is of no use afterwards.
   */
  async kill(): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    await withDeadline(
      this.#side.query(`kill ${this.#connection.threadId}`).then(() => deathOf.get(this.#connection)),
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

/** Kysely takes its connections from a pool; this one always has the same, and keeps it. */
function boundKysely(connection: PoolConnection): AnyKysely {
  const bound = {
    threadId: connection.threadId,
    config: connection.config,
    query: connection.query.bind(connection),
    destroy: connection.destroy.bind(connection),
    release: () => {},
  };
  const pool = {
    getConnection: (callback: (error: unknown, connection: never) => void) => callback(undefined, bound as never),
    end: (callback: () => void) => callback(),
  };
  return new Kysely({ dialect: new MysqlDialect({ pool: pool as never }) });
}
