import { RequestContext, TransactionContext } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { Resolution } from '../broker/transactional-producer.ts';
import { ConfigurationError, DatabaseUnavailableError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { HalfMessageView, Lookup } from '../transaction/lookup.ts';
import type { FencedSession, TransactionDatabase } from '../transaction/transaction-database.ts';
import { assertLookupIsExact } from './lookup-checks.ts';
import { type Connection, primary, withConnection } from './mysql-connection.ts';
import { MysqlFencedSession } from './mysql-fenced-session.ts';
import { acquireSessionLock, isSessionLockFree, releaseSessionLock } from './session-lock.ts';

/**
 * The business database behind a MikroORM instance: one MySQL 8.0.1+ or MariaDB 10.6+ primary, reached without a
 * multiplexing proxy (the fence belongs to a session). The instance stays the caller's: close it after the publisher.
 */
export function mysqlTransactionDatabase(orm: MikroORM): TransactionDatabase {
  return new MysqlTransactionDatabase(orm);
}

/** Stands for a message that does not exist yet: every property of its payload is some text. */
const PROBE: HalfMessageView = {
  transactionId: '00000000-0000-7000-8000-000000000000',
  topic: 'probe',
  tag: 'probe',
  keys: [],
  payload: new Proxy({}, { get: () => 'probe' }),
};

class MysqlTransactionDatabase implements TransactionDatabase {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  withFencedSession<T>(transactionId: string, timeoutMs: number, work: (session: FencedSession) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let abandoned = false;
      const fail = (error: unknown): void =>
        reject(new DatabaseUnavailableError(`no database connection for transaction ${transactionId}: ${describe(error)}`, { cause: error }));
      const late = setTimeout(() => {
        abandoned = true;
        fail(new Error(`none was ready within ${timeoutMs} ms`));
      }, timeoutMs);
      const run = async (connection: Connection): Promise<void> => {
        // A connection that comes too late goes straight back.
        if (abandoned) return;
        const id = await acquireSessionLock(connection, transactionId);
        if (abandoned) return releaseSessionLock(connection, transactionId);
        clearTimeout(late);
        const session = new MysqlFencedSession(this.#orm, connection, id);
        try {
          resolve(await work(session));
        } catch (error) {
          reject(error as Error);
        } finally {
          await closeFence(connection, transactionId, session);
        }
      };
      // Every outcome of the work has been reported by then: this one is about the connection alone.
      withConnection(this.#orm, run).catch((error: unknown) => {
        clearTimeout(late);
        fail(error);
      });
    });
  }

  async check(lookup: Lookup, half: HalfMessageView, signal: AbortSignal): Promise<Resolution> {
    this.assertCheckable(lookup, half);
    if (!(await isSessionLockFree(await primary(this.#orm), half.transactionId))) return 'UNKNOWN';
    signal.throwIfAborted();
    // Begun after the lock was seen free: whatever that transaction did is visible now.
    const em = this.#orm.em.fork({ clear: true, useContext: false });
    const rows = await em.count(lookup.entity, lookup.where(half) as never, { connectionType: 'write', filters: false });
    return rows > 0 ? 'COMMIT' : 'ROLLBACK';
  }

  assertCheckable(lookup: Lookup, half: HalfMessageView): void {
    assertLookupIsExact(this.#orm, lookup, lookup.where(half), half.transactionId);
  }

  async verify({ name, lookup }: { readonly name: string; readonly lookup: Lookup }): Promise<void> {
    try {
      assertLookupIsExact(this.#orm, lookup, lookup.where(PROBE), PROBE.transactionId, { probing: true });
    } catch (error) {
      // A `where` that computes with the payload cannot be probed; it is checked with each real message instead.
      if (error instanceof TypeError) return;
      throw new ConfigurationError(`listener "${name}": ${describe(error)}`, { cause: error });
    }
  }

  isInsideTransaction(): boolean {
    const name = this.#orm.em.name;
    const em = TransactionContext.getEntityManager(name) ?? RequestContext.getEntityManager(name);
    return em?.isInTransaction() ?? false;
  }
}

/** The lock is released on its own connection, after COMMIT or ROLLBACK. A connection that cannot do it is killed: the server then does both. */
async function closeFence(connection: Connection, transactionId: string, session: FencedSession): Promise<void> {
  await session.rollback();
  try {
    await withDeadline(releaseSessionLock(connection, transactionId), 2_000, () => new Error('RELEASE_LOCK was not answered'));
  } catch {
    await session.kill();
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
