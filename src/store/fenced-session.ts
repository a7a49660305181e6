import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { CompiledQuery, type ControlledTransaction } from 'kysely';
import { LocalTransactionError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { HalfMessageView, Lookup, RowExistsLookup } from '../transaction/lookup.ts';
import type { SqlTransaction, SqlValue } from '../transaction/sql-transaction.ts';
import type { Fence, FencedSession } from '../transaction/transaction-database.ts';
import { isLockConflict } from './mysql-error.ts';
import type { AnyKysely } from './reserved-connection.ts';
import type { Run } from './row-insert.ts';
import { rowQuery } from './row-lookup.ts';
import { SessionStatements } from './session-statements.ts';
import { writeMarker } from './transaction-marker.ts';

/** After that the session is killed, which rolls back as well. */
const ROLLBACK_TIMEOUT_MS = 2_000;
/** One for all: an error of its own would cost each order a stack trace. */
const OVER = new Error('the local transaction is over; it takes no more work');

/** A transaction that has begun. */
export interface OpenTransaction {
  readonly run: Run;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** A connection that runs one local transaction at a time and nothing else. */
export interface SessionConnection {
  readonly kysely: AnyKysely;
  /** BEGIN without Kysely. Default: with it. */
  begin?(): Promise<OpenTransaction>;
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
  #transaction: OpenTransaction | undefined;
  #em: EntityManager | undefined;
  #statements: SessionStatements | undefined;
  /** Of an entity manager; statements are told by `#statements`. */
  #closed: AbortController | undefined;

  constructor(orm: MikroORM, connection: SessionConnection, transactionId: string, fence: Fence) {
    this.#orm = orm;
    this.#connection = connection;
    this.#transactionId = transactionId;
    this.#fence = fence;
  }

  async begin(): Promise<EntityManager> {
    const transaction = await this.#connection.kysely.startTransaction().execute();
    await this.#opened(throughKysely(transaction));
    // The signal keeps work that was not awaited from running between our COMMIT and its answer, outside the transaction.
    this.#closed = new AbortController();
    const em = this.#orm.em.fork({ clear: true, useContext: false, signal: this.#closed.signal });
    em.setTransactionContext(transaction);
    this.#em = em as unknown as EntityManager;
    return this.#em;
  }

  async beginSql(): Promise<SqlTransaction> {
    const begun = this.#connection.begin?.() ?? this.#connection.kysely.startTransaction().execute().then(throughKysely);
    await this.#opened(await begun);
    return this.sql;
  }

  async #opened(transaction: OpenTransaction): Promise<void> {
    this.#transaction = transaction;
    this.#em = undefined;
    this.#statements = new SessionStatements(this.#orm, transaction.run);
    // As the first statement: a check-back that comes from now on finds the marker locked, and asks again.
    if (this.#fence === 'marker') await writeMarker(transaction.run, this.#transactionId, this.#connection.translate);
  }

  get sql(): SqlTransaction {
    if (this.#statements === undefined) throw new Error('statements before BEGIN');
    return this.#statements;
  }

  async flush(): Promise<void> {
    await this.#em?.flush();
  }

  proveRow(lookup: Lookup, half: HalfMessageView): Promise<void> | undefined {
    if (lookup.kind !== 'rowExists') return undefined;
    const where = Object.entries(lookup.where(half));
    const meta = this.#orm.getMetadata().get(lookup.entity as never);
    // What was just inserted, or flushed by the entity manager, needs no question; an INSERT written as text does.
    if (this.#statements?.hasInserted(meta.className, where)) return undefined;
    const flushed = this.#em
      ?.getUnitOfWork()
      .getIdentityMap()
      .getStore(meta as never) as Map<string, Record<string, unknown>> | undefined;
    for (const row of flushed?.values() ?? []) if (where.every(([column, value]) => row[column] === value)) return undefined;
    return this.#askForRow(lookup, half, meta.className);
  }

  async #askForRow(lookup: RowExistsLookup, half: HalfMessageView, className: string): Promise<void> {
    const { sql, params } = rowQuery(this.#orm, lookup, half);
    if ((await this.sql.query(sql, params as SqlValue[])).length > 0) return;
    throw new LocalTransactionError(
      `local transaction ${this.#transactionId} was rolled back: execute decided COMMIT but wrote no ${className} that its look-up finds (${Object.keys(lookup.where(half)).join(', ')}), so its message would be lost with the first lost END`,
      { reason: 'threw' },
    );
  }

  async commit(): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined) throw new Error('COMMIT without BEGIN');
    this.#end(OVER);
    await transaction.commit();
    this.#transaction = undefined;
  }

  async rollback(): Promise<void> {
    this.#end(OVER);
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (transaction === undefined) return;
    try {
      await withDeadline(transaction.rollback(), ROLLBACK_TIMEOUT_MS, () => new Error('ROLLBACK was not answered'));
    } catch {
      await this.kill();
    }
  }

  async kill(): Promise<void> {
    this.#end(OVER);
    this.#transaction = undefined;
    await this.#connection.kill();
  }

  /** Whatever was kept of the transaction takes no more work. */
  #end(why: Error): void {
    this.#closed?.abort(why);
    this.#closed = undefined;
    this.#statements?.end(why);
  }

  isWorthRepeating(error: unknown): boolean {
    return isLockConflict(error);
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- Kysely's own default for "any schema"
const throughKysely = (transaction: ControlledTransaction<any>): OpenTransaction => ({
  run: async (sql, parameters) => {
    const { rows, numAffectedRows, insertId } = await transaction.executeQuery<object>(CompiledQuery.raw(sql, [...parameters]));
    return { rows, affectedRows: Number(numAffectedRows ?? 0n), insertId: Number(insertId ?? 0n) };
  },
  commit: () => transaction.commit().execute(),
  rollback: () => transaction.rollback().execute(),
});
