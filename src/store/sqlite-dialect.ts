import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { SqliteFile, SqliteTransaction } from './sqlite-file.ts';

/** A file as Kysely, and MikroORM through it, sees a server: any number of connections, each in a transaction or not. */
export const sqliteDialect = (file: SqliteFile, options: { readonly killed?: AbortSignal; readonly isOwned?: boolean } = {}): Dialect => ({
  createAdapter: () => new ManyConnections(),
  createDriver: () => new SqliteDriver(file, options),
  createQueryCompiler: () => new SqliteQueryCompiler(),
  createIntrospector: (kysely) => new SqliteIntrospector(kysely),
});

/** Kysely's own keeps every other statement out while a transaction is open. */
class ManyConnections extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #file: SqliteFile;
  transaction: SqliteTransaction | undefined;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    return (await (this.transaction ?? this.#file).run(sql, parameters)) as QueryResult<R>;
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    for (const row of (await this.executeQuery<R>(query)).rows) yield { rows: [row] };
  }
}

class SqliteDriver implements Driver {
  readonly #file: SqliteFile;
  readonly #killed: AbortSignal | undefined;
  readonly #isOwned: boolean;

  constructor(file: SqliteFile, { killed, isOwned = false }: { readonly killed?: AbortSignal; readonly isOwned?: boolean }) {
    this.#file = file;
    this.#killed = killed;
    this.#isOwned = isOwned;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return new SqliteConnection(this.#file);
  }

  /** Isolation levels mean nothing here: transactions follow one another. */
  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    const transaction = await this.#file.begin(this.#killed);
    (connection as SqliteConnection).transaction = transaction;
    if (this.#killed?.aborted) transaction.rollback();
    this.#killed?.addEventListener('abort', () => transaction.rollback(), { once: true });
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    (connection as SqliteConnection).transaction?.commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    (connection as SqliteConnection).transaction?.rollback();
  }

  async savepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await (connection as SqliteConnection).transaction?.run(`savepoint ${name}`, []);
  }

  async rollbackToSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await (connection as SqliteConnection).transaction?.run(`rollback to ${name}`, []);
  }

  async releaseSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await (connection as SqliteConnection).transaction?.run(`release ${name}`, []);
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    (connection as SqliteConnection).transaction?.rollback();
  }

  async destroy(): Promise<void> {
    if (this.#isOwned) this.#file.close();
  }
}
