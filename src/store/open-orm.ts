import type { EntitySchema } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/mysql';
import { ConfigurationError, DatabaseUnavailableError } from '../errors.ts';
import { openSqliteOrm } from './open-sqlite-orm.ts';
import { isSqliteUrl } from './sqlite-url.ts';

export interface OpenOrmOptions {
  /**
   * `mysql://user:password@host:port/database` of the primary, or a file: `sqlite:///absolute/path.db`, or
   * `sqlite:relative/path.db` from the working directory. For a file install `@mikro-orm/sqlite` beside this package.
   */
  readonly url: string;
  readonly entities: readonly unknown[];
  /** Run in the order of their names, which begin with their time. On SQLite the tables are made from the entities instead. */
  readonly migrations?: readonly { readonly name: string }[];
  /** Connections at most; each `publish()` in flight and each running listener needs one. Default 20. */
  readonly poolSize?: number;
}

/**
 * Opens a MikroORM instance for MySQL or MariaDB and asks it one question. Rejects with `ConfigurationError` for a bad
 * URL and `DatabaseUnavailableError` when nobody answers; the password is in neither message.
 *
 * A SQLite file is for demos, development and tests: any number of processes of one machine work on it, one of them may
 * publish. It is in WAL mode, and writing transactions follow one another; one that waits longer than 10 s for its
 * turn fails with `SQLITE_BUSY`, so do not begin a second one, or write outside, within a transaction. The instance is
 * typed as MySQL's and knows the phrases of MySQL's SQL that the engine uses.
 */
export async function openOrm(options: OpenOrmOptions): Promise<MikroORM> {
  if (isSqliteUrl(options.url)) return openSqliteOrm(options);
  const where = describeUrl(options.url);
  const orm = await MikroORM.init({
    clientUrl: options.url,
    entities: [...options.entities] as EntitySchema[],
    extensions: [Migrator],
    // One transaction a file: MySQL commits DDL implicitly, so a file holds one statement or is written to be repeatable.
    migrations: {
      migrationsList: [...(options.migrations ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1)) as never[],
      snapshot: false,
      tableName: 'checkback_migrations',
      disableForeignKeys: false,
    },
    pool: { min: 0, max: options.poolSize ?? 20 },
    timezone: 'Z',
    driverOptions: { connectTimeout: 5_000, enableKeepAlive: true, keepAliveInitialDelay: 10_000 },
    debug: false,
    logger: () => {},
  });
  try {
    await orm.em.getConnection('write').execute('select 1');
  } catch (error) {
    await orm.close(true).catch(() => {});
    throw new DatabaseUnavailableError(
      `no answer from the database at ${where}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  return orm;
}

function describeUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigurationError('database url must look like mysql://user:password@host:3306/database');
  }
  if (url.protocol !== 'mysql:' || url.pathname.length < 2) {
    throw new ConfigurationError(
      `database url must look like mysql://user:password@host:3306/database, got ${url.protocol}//${url.host}${url.pathname}`,
    );
  }
  return `${url.host}${url.pathname}`;
}
