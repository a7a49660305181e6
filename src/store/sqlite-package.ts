import { createRequire } from 'node:module';
import { ConfigurationError } from '../errors.ts';
import { messageOf } from '../shared/error-message.ts';

/** What is used of a connection of better-sqlite3, all of it synchronous. */
export interface SqliteHandle {
  readonly inTransaction: boolean;
  prepare(sql: string): SqliteStatement;
  exec(sql: string): unknown;
  pragma(text: string): unknown;
  close(): void;
}

interface SqliteStatement {
  /** Whether it returns rows. */
  readonly reader: boolean;
  /** Whether it changes nothing. */
  readonly readonly: boolean;
  safeIntegers(on: boolean): this;
  all(...parameters: readonly unknown[]): Record<string, unknown>[];
  run(...parameters: readonly unknown[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
}

export type SqliteConstructor = new (path: string, options: { readonly timeout: number }) => SqliteHandle;

const MISSING = 'a sqlite: url needs the package @mikro-orm/sqlite (npm install @mikro-orm/sqlite@7.2.1), which cannot be loaded';

/**
 * MikroORM's driver for SQLite, loaded when it is first needed, and the better-sqlite3 it came with: the engine opens its
 * own connections. Rejects with `ConfigurationError` saying what to install.
 */
export async function loadSqlite() {
  try {
    const { MikroORM } = await import('@mikro-orm/sqlite');
    const beside = createRequire(createRequire(import.meta.url).resolve('@mikro-orm/sqlite/package.json'));
    return { MikroORM, Database: beside('better-sqlite3') as SqliteConstructor };
  } catch (cause) {
    throw new ConfigurationError(`${MISSING}: ${messageOf(cause)}`, { cause });
  }
}
