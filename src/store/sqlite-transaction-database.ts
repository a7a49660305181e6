import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MikroORM } from '@mikro-orm/mysql';
import { Kysely } from 'kysely';
import type { Resolution } from '../broker/transactional-producer.ts';
import { ClosedError, ConfigurationError, DatabaseUnavailableError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import { messageOf } from '../shared/error-message.ts';
import type { HalfMessageView, Lookup } from '../transaction/lookup.ts';
import type { Fence, FencedSession, TransactionDatabase } from '../transaction/transaction-database.ts';
import { ConnectionSession, type SessionConnection } from './fenced-session.ts';
import { assertLookupIsExact, isInTransactionOf, probeLookups, requireMarkerTable } from './lookup-checks.ts';
import { sqliteFileOf } from './open-sqlite-orm.ts';
import type { AnyKysely } from './reserved-connection.ts';
import { rowQuery } from './row-lookup.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import type { SqliteFile } from './sqlite-file.ts';
import { toSqlite } from './sqlite-words.ts';
import { checkMarker } from './transaction-marker.ts';
import { Turns } from './turns.ts';

const CHECK_TIMEOUT_MS = 3_000;

/**
 * The business database behind a MikroORM instance that `openOrm` opened on a SQLite file; for demos, development and
 * tests. The fence is a list in this process of the transactions that may still commit, so all publishers of a file live
 * in one process: `start` refuses a second one with `ConfigurationError`, and a lock of the operating system, which dies
 * with the process, tells. Within that process there may be any number. The instance stays the caller's: close it after
 * the publisher.
 */
export function sqliteTransactionDatabase(orm: MikroORM): TransactionDatabase {
  const file = sqliteFileOf(orm);
  if (file === undefined)
    throw new ConfigurationError('sqliteTransactionDatabase: the ORM must be one that openOrm opened with a sqlite: url');
  return new SqliteTransactionDatabase(orm, file);
}

class SqliteTransactionDatabase implements TransactionDatabase {
  readonly #orm: MikroORM;
  readonly #file: SqliteFile;
  readonly #slots: Turns;
  readonly #givingBack = new Set<Promise<void>>();
  #owning: Promise<() => Promise<void>> | undefined;
  #isClosed = false;

  constructor(orm: MikroORM, file: SqliteFile) {
    this.#orm = orm;
    this.#file = file;
    this.#slots = new Turns(file.poolSize);
  }

  async start(listeners: Parameters<TransactionDatabase['start']>[0]): Promise<void> {
    this.#requireOpen();
    probeLookups(this.#orm, listeners);
    await requireMarkerTable(listeners, (sql) => this.#query(sql));
    this.#owning ??= this.#file.shared.own(this.#file.Database);
    try {
      await this.#owning;
    } catch (error) {
      this.#owning = undefined;
      throw error;
    }
  }

  async withFencedSession<T>(
    transactionId: string,
    fence: Fence,
    timeoutMs: number,
    work: (session: FencedSession) => Promise<T>,
  ): Promise<T> {
    const giveSlot = await this.#takeSlot(transactionId, timeoutMs);
    this.#file.shared.openFence(transactionId);
    const session = new ConnectionSession(this.#orm, reserve(this.#file), transactionId, fence);
    try {
      return await work(session);
    } finally {
      // As on a server: the caller has its answer, and the check-back says UNKNOWN a moment longer.
      const givingBack = session.rollback().finally(() => {
        this.#file.shared.closeFence(transactionId);
        giveSlot();
        this.#givingBack.delete(givingBack);
      });
      this.#givingBack.add(givingBack);
    }
  }

  async #takeSlot(transactionId: string, timeoutMs: number): Promise<() => void> {
    try {
      this.#requireOpen();
      if (this.#owning === undefined) throw new Error('start() has not been called');
      return await this.#slots.take(timeoutMs);
    } catch (error) {
      throw new DatabaseUnavailableError(`no database connection for transaction ${transactionId}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** The fence first, then what is committed: a fence is closed after COMMIT, so what is read then is the end of it. */
  async check(lookup: Lookup, half: HalfMessageView, signal: AbortSignal): Promise<Resolution> {
    this.assertCheckable(lookup, half);
    // As over a socket: whoever asks again and again leaves the transaction itself its turn.
    await nextTurn();
    this.#requireOpen();
    signal.throwIfAborted();
    if (this.#owning === undefined) throw new ClosedError('the transaction database was not started');
    if (this.#file.shared.isFenced(half.transactionId)) return 'UNKNOWN';
    const asked = lookup.kind === 'transactionMarker' ? this.#checkMarker(half) : this.#checkRow(lookup, half);
    return withDeadline(asked, CHECK_TIMEOUT_MS, () => new Error(`SQLite did not answer within ${CHECK_TIMEOUT_MS} ms`));
  }

  #checkMarker({ transactionId }: HalfMessageView): Promise<Resolution> {
    return checkMarker({ query: (sql, ...parameters) => this.#query(sql, parameters) }, { shareNowait: '' }, transactionId);
  }

  async #checkRow(lookup: Parameters<typeof rowQuery>[1], half: HalfMessageView): Promise<Resolution> {
    const { sql, params } = rowQuery(this.#orm, lookup, half);
    return (await this.#query(sql, params)).length > 0 ? 'COMMIT' : 'ROLLBACK';
  }

  /** On the connection that reads, whatever is being written. */
  async #query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.#orm.em.getConnection('write').execute<Row[]>(sql, [...parameters]);
  }

  assertCheckable(lookup: Lookup, half: HalfMessageView): void {
    if (lookup.kind === 'rowExists') assertLookupIsExact(this.#orm, lookup, lookup.where(half), half.transactionId);
  }

  isInsideTransaction(): boolean {
    return isInTransactionOf(this.#orm);
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new ClosedError('the transaction database is closed');
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#givingBack);
    const owning = this.#owning;
    this.#owning = undefined;
    await (
      await owning
    )?.();
  }
}

/** A connection for one local transaction, which takes the file's one turn to write at BEGIN and not before. */
function reserve(file: SqliteFile): SessionConnection {
  const killing = new AbortController();
  const kysely: AnyKysely = new Kysely({ dialect: sqliteDialect(file, { killed: killing.signal }) });
  return {
    kysely,
    translate: toSqlite,
    kill: async () => killing.abort(new Error('the session was killed')),
  };
}
