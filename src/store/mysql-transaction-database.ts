import { messageOf } from '../shared/error-message.ts';
import type { MikroORM } from '@mikro-orm/mysql';
import type { Resolution } from '../broker/transactional-producer.ts';
import { CheckbackError, ClosedError, DatabaseUnavailableError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { HalfMessageView, Lookup } from '../transaction/lookup.ts';
import { type Fence, type FencedSession, type TransactionDatabase, fenceOf } from '../transaction/transaction-database.ts';
import { ConnectionSession } from './fenced-session.ts';
import { assertLookupIsExact, isInTransactionOf, probeLookups, requireMarkerTable } from './lookup-checks.ts';
import { ReservedConnection } from './reserved-connection.ts';
import { checkRow } from './row-lookup.ts';
import { type ServerFlavour, inspectServer, refuseMultiplexing } from './server-checks.ts';
import { acquireSessionLock, releaseSessionLock } from './session-lock.ts';
import { SidePool } from './side-pool.ts';
import { checkMarker } from './transaction-marker.ts';

/** Connections for check-backs and for ending sessions. */
const SIDE_POOL_SIZE = 9;

/**
 * The business database behind a MikroORM instance: one MySQL 8.0+ or MariaDB 10.6+ primary, reached without a
 * multiplexing proxy (the session lock belongs to a connection). The instance stays the caller's: close it after the publisher.
 * Connections of its pool that ran a publication are closed by the server after a minute of idleness (`wait_timeout`), so
 * that a client which vanished without a word keeps no row locked; check-backs use up to nine connections beside the pool.
 */
export function mysqlTransactionDatabase(orm: MikroORM): TransactionDatabase {
  return new MysqlTransactionDatabase(orm);
}

class MysqlTransactionDatabase implements TransactionDatabase {
  readonly #orm: MikroORM;
  #opened: Promise<{ side: SidePool; flavour: ServerFlavour }> | undefined;
  #idleSeconds = 60;
  #closed = false;
  readonly #givingBack = new Set<Promise<void>>();

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  async start(listeners: Parameters<TransactionDatabase['start']>[0], options: { readonly transactionTimeoutMs: number }): Promise<void> {
    this.#idleSeconds = Math.max(60, Math.ceil((options.transactionTimeoutMs * 2) / 1_000));
    probeLookups(this.#orm, listeners);
    const { side } = await this.#open();
    if (listeners.some(({ lookup, half }) => fenceOf(lookup, half) === 'session-lock')) await refuseMultiplexing(side);
    await requireMarkerTable(listeners, (sql) => side.query(sql));
  }

  #open(): Promise<{ side: SidePool; flavour: ServerFlavour }> {
    if (this.#closed) return Promise.reject(new ClosedError('the transaction database is closed'));
    this.#opened ??= (async () => {
      const side = await SidePool.beside(this.#orm, SIDE_POOL_SIZE);
      try {
        return { side, flavour: await inspectServer(side) };
      } catch (error) {
        this.#opened = undefined;
        await side.close();
        if (error instanceof CheckbackError) throw error;
        throw new DatabaseUnavailableError(`the database does not answer: ${messageOf(error)}`, { cause: error });
      }
    })();
    return this.#opened;
  }

  async withFencedSession<T>(
    transactionId: string,
    fence: Fence,
    timeoutMs: number,
    work: (session: FencedSession) => Promise<T>,
  ): Promise<T> {
    const connection = await this.#reserve(transactionId, fence, timeoutMs);
    const session = new ConnectionSession(this.#orm, connection, transactionId, fence);
    try {
      return await work(session);
    } finally {
      // The caller has its answer; until the lock is released the check-back merely says UNKNOWN.
      this.#track(this.#giveBack(connection, session, transactionId, fence));
    }
  }

  async #giveBack(connection: ReservedConnection, session: FencedSession, transactionId: string, fence: Fence): Promise<void> {
    await session.rollback();
    if (fence === 'session-lock') await closeSessionLock(connection, transactionId);
    connection.release();
  }

  #track(work: Promise<void>): void {
    this.#givingBack.add(work);
    void work.finally(() => this.#givingBack.delete(work));
  }

  async #reserve(transactionId: string, fence: Fence, timeoutMs: number): Promise<ReservedConnection> {
    let connection: ReservedConnection | undefined;
    try {
      const deadline = performance.now() + timeoutMs;
      const { side } = await withDeadline(this.#open(), timeoutMs, () => new Error(`no answer within ${timeoutMs} ms`));
      connection = await ReservedConnection.take(this.#orm, side, {
        timeoutMs: Math.max(1, Math.ceil(deadline - performance.now())),
        idleSeconds: this.#idleSeconds,
      });
      if (fence === 'session-lock') {
        await withDeadline(
          acquireSessionLock(connection, transactionId),
          Math.max(1, Math.ceil(deadline - performance.now())),
          () => new Error(`no answer within ${timeoutMs} ms`),
        );
      }
      return connection;
    } catch (error) {
      // Whatever state it is in: the next order does not get it.
      await connection?.kill();
      throw new DatabaseUnavailableError(`no database connection for transaction ${transactionId}: ${messageOf(error)}`, { cause: error });
    }
  }

  async check(lookup: Lookup, half: HalfMessageView, signal: AbortSignal): Promise<Resolution> {
    this.assertCheckable(lookup, half);
    const { side, flavour } = await this.#open();
    signal.throwIfAborted();
    return lookup.kind === 'transactionMarker'
      ? checkMarker(side, flavour, half.transactionId)
      : checkRow(this.#orm, side, flavour, lookup, half);
  }

  assertCheckable(lookup: Lookup, half: HalfMessageView): void {
    if (lookup.kind === 'rowExists') assertLookupIsExact(this.#orm, lookup, lookup.where(half), half.transactionId);
  }

  isInsideTransaction(): boolean {
    return isInTransactionOf(this.#orm);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#givingBack);
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.then(({ side }) => side.close()).catch(() => {});
  }
}

/** The lock is released on its own connection, after COMMIT or ROLLBACK. A connection that cannot do it is killed: the server then does both. */
async function closeSessionLock(connection: ReservedConnection, transactionId: string): Promise<void> {
  try {
    await withDeadline(releaseSessionLock(connection, transactionId), 2_000, () => new Error('RELEASE_LOCK was not answered'));
  } catch {
    await connection.kill();
  }
}
