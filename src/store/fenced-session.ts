import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { ControlledTransaction } from 'kysely';
import { LocalTransactionError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { HalfMessageView, Lookup } from '../transaction/lookup.ts';
import type { Fence, FencedSession } from '../transaction/transaction-database.ts';
import { isLockConflict } from './mysql-error.ts';
import type { AnyKysely } from './reserved-connection.ts';
import { writeMarker } from './transaction-marker.ts';

/** After that the session is killed, which rolls back as well. */
const ROLLBACK_TIMEOUT_MS = 2_000;
const OVER = 'the local transaction is over; its entity manager takes no more work';

/** A connection that runs one local transaction at a time and nothing else. */
export interface SessionConnection {
  readonly kysely: AnyKysely;
  /** A statement written for MySQL, as it is said here. Default: as it is. */
  readonly translate?: (sql: string) => string;
  /** Ends what runs on it, rolled back. Never rejects; the connection is of no use afterwards. */
  kill(): Promise<void>;
}

/** A local transaction on one reserved connection. The fence around it is its owner's affair. */
export class ConnectionSession implements FencedSession {
  readonly #orm: MikroORM;
  readonly #connection: SessionConnection;
  readonly #transactionId: string;
  readonly #fence: Fence;
  // oxlint-disable-next-line typescript/no-explicit-any -- Kysely's own default for "any schema"
  #transaction: ControlledTransaction<any> | undefined;
  #em: EntityManager | undefined;
  #closed = new AbortController();

  constructor(orm: MikroORM, connection: SessionConnection, transactionId: string, fence: Fence) {
    this.#orm = orm;
    this.#connection = connection;
    this.#transactionId = transactionId;
    this.#fence = fence;
  }

  async begin(signal: AbortSignal): Promise<EntityManager> {
    const transaction = await this.#connection.kysely.startTransaction().execute();
    this.#transaction = transaction;
    this.#closed = new AbortController();
    // As the first statement: a check-back that comes from now on finds the marker locked, and asks again.
    if (this.#fence === 'marker') await writeMarker(transaction, this.#transactionId, this.#connection.translate);
    // The signal keeps work that was not awaited from running between our COMMIT and its answer, outside the transaction.
    const em = this.#orm.em.fork({ clear: true, useContext: false, signal: AbortSignal.any([signal, this.#closed.signal]) });
    em.setTransactionContext(transaction);
    this.#em = em as unknown as EntityManager;
    return this.#em;
  }

  async flush(): Promise<void> {
    await this.#em?.flush();
  }

  async proveRow(lookup: Lookup, half: HalfMessageView): Promise<void> {
    const em = this.#em;
    if (lookup.kind !== 'rowExists' || em === undefined) return;
    const where = Object.entries(lookup.where(half));
    const meta = this.#orm.getMetadata().get(lookup.entity as never);
    // What the entity manager has just flushed needs no question; a native INSERT does.
    const flushed = em
      .getUnitOfWork()
      .getIdentityMap()
      .getStore(meta as never) as Map<string, Record<string, unknown>> | undefined;
    for (const row of flushed?.values() ?? []) if (where.every(([column, value]) => row[column] === value)) return;
    if ((await em.count(lookup.entity, Object.fromEntries(where), { filters: false })) > 0) return;
    throw new LocalTransactionError(
      `local transaction ${this.#transactionId} was rolled back: execute decided COMMIT but wrote no ${meta.className} that its look-up finds (${where.map(([column]) => column).join(', ')}), so its message would be lost with the first lost END`,
      { reason: 'threw' },
    );
  }

  async commit(): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined) throw new Error('COMMIT without BEGIN');
    this.#closed.abort(new Error(OVER));
    await transaction.commit().execute();
  }

  async rollback(): Promise<void> {
    this.#closed.abort(new Error(OVER));
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (transaction === undefined || transaction.isCommitted || transaction.isRolledBack) return;
    try {
      await withDeadline(transaction.rollback().execute(), ROLLBACK_TIMEOUT_MS, () => new Error('ROLLBACK was not answered'));
    } catch {
      await this.kill();
    }
  }

  async kill(): Promise<void> {
    this.#closed.abort(new Error(OVER));
    this.#transaction = undefined;
    await this.#connection.kill();
  }

  isWorthRepeating(error: unknown): boolean {
    return isLockConflict(error);
  }
}
