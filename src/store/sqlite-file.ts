import { realpathSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { QueryResult } from 'kysely';
import { isLocked } from './sqlite-error.ts';
import type { SqliteConstructor, SqliteHandle } from './sqlite-package.ts';
import { shareFile, type SqliteShared, unshareFile } from './sqlite-shared.ts';

/** How long a statement or a transaction waits for another writer, of this process or of another. */
export const BUSY_TIMEOUT_MS = 10_000;

/**
 * SQLite file of one ORM: a connection that writes and one that reads. In WAL mode the reader sees every COMMIT and waits
 * for no writer. better-sqlite3 is synchronous and its own busy timeout would stop the event loop, with it the very
 * transaction that is waited for: so both connections give up at once, and the waiting is done here.
 */
export class SqliteFile {
  /** With symbolic links resolved. */
  readonly path: string;
  readonly shared: SqliteShared;
  readonly Database: SqliteConstructor;
  /** Local transactions of a publisher at once. */
  readonly poolSize: number;
  readonly #writer: SqliteHandle;
  readonly #reader: SqliteHandle;
  #isClosed = false;

  private constructor(path: string, handles: readonly [SqliteHandle, SqliteHandle], Database: SqliteConstructor, poolSize: number) {
    this.path = realpathSync(path);
    [this.#writer, this.#reader] = handles;
    this.Database = Database;
    this.poolSize = poolSize;
    this.shared = shareFile(this.path);
  }

  /** Makes the file when there is none; its folder must be there. */
  static async open(path: string, Database: SqliteConstructor, poolSize: number): Promise<SqliteFile> {
    const opened: SqliteHandle[] = [];
    try {
      for (const _ of ['writer', 'reader']) {
        const handle = new Database(path, { timeout: 0 });
        opened.push(handle);
        await unlessLocked(() => {
          handle.pragma('journal_mode = wal');
          // SQLite's default in WAL mode would lose the last transactions with the machine's power: committed, answered,
          // their messages delivered, and gone.
          handle.pragma('synchronous = full');
          handle.pragma('foreign_keys = on');
        });
      }
      return new SqliteFile(path, opened as [SqliteHandle, SqliteHandle], Database, poolSize);
    } catch (error) {
      for (const handle of opened) handle.close();
      throw error;
    }
  }

  /** A statement by itself. */
  async run(sql: string, parameters: readonly unknown[]): Promise<QueryResult<Record<string, unknown>>> {
    await nextTurn();
    if (this.#reader.prepare(sql).readonly) return unlessLocked(() => execute(this.#reader, sql, parameters));
    const done = await this.#takeTurn();
    try {
      return await unlessLocked(() => execute(this.#writer, sql, parameters));
    } finally {
      done();
    }
  }

  /**
   * BEGIN IMMEDIATE: one that begins by reading and writes later fails, however long it waits, once another has written
   * in between. Rejects with SQLite's own error when it is nobody's turn in time, and with the signal's reason.
   */
  async begin(signal?: AbortSignal): Promise<SqliteTransaction> {
    await nextTurn();
    const done = await this.#takeTurn(signal);
    try {
      await unlessLocked(() => this.#writer.exec('begin immediate'), signal);
    } catch (error) {
      done();
      throw error;
    }
    return new SqliteTransaction(this.#writer, done);
  }

  async #takeTurn(signal?: AbortSignal): Promise<() => void> {
    try {
      return await this.shared.writing.take(BUSY_TIMEOUT_MS, signal);
    } catch (cause) {
      signal?.throwIfAborted();
      throw Object.assign(
        new Error(`database is locked: another transaction of this process writes, for more than ${BUSY_TIMEOUT_MS} ms`, { cause }),
        {
          code: 'SQLITE_BUSY',
        },
      );
    }
  }

  /** Rolls back what is open. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#writer.close();
    this.#reader.close();
    unshareFile(this.path);
  }
}

/** The one open transaction of the connection that writes. */
export class SqliteTransaction {
  readonly #writer: SqliteHandle;
  readonly #done: () => void;
  #isOver = false;

  constructor(writer: SqliteHandle, done: () => void) {
    this.#writer = writer;
    this.#done = done;
  }

  async run(sql: string, parameters: readonly unknown[]): Promise<QueryResult<Record<string, unknown>>> {
    await nextTurn();
    this.#requireOpen();
    return execute(this.#writer, sql, parameters);
  }

  /** Not waited for anything: it has happened when this returns, and has not when it throws. */
  commit(): void {
    this.#requireOpen();
    this.#writer.exec('commit');
    this.#end();
  }

  /** Idempotent. */
  rollback(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    try {
      if (this.#writer.inTransaction) this.#writer.exec('rollback');
    } finally {
      this.#done();
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#done();
  }

  #requireOpen(): void {
    if (this.#isOver) throw new Error('the transaction is over');
    // A full disk, for one, rolls back by itself; what followed would run outside.
    if (!this.#writer.inTransaction) throw new Error('the transaction was rolled back by SQLite');
  }
}

async function unlessLocked<T>(work: () => T, signal?: AbortSignal): Promise<T> {
  for (const deadline = performance.now() + BUSY_TIMEOUT_MS; ; await sleep(2 + Math.random() * 10)) {
    signal?.throwIfAborted();
    try {
      return work();
    } catch (error) {
      if (!isLocked(error) || performance.now() > deadline) throw error;
    }
  }
}

function execute(handle: SqliteHandle, sql: string, parameters: readonly unknown[]): QueryResult<Record<string, unknown>> {
  // As big integers, because the driver rounds what a number cannot hold without a word.
  const statement = handle.prepare(sql).safeIntegers(true);
  if (statement.reader) return { rows: statement.all(...parameters).map(withNumbers) };
  const { changes, lastInsertRowid } = statement.run(...parameters);
  return { numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid), rows: [] };
}

function withNumbers(row: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === 'bigint' && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) row[name] = Number(value);
  }
  return row;
}
