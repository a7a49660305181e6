import type { EntitySchema } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import type { MikroORM } from '@mikro-orm/mysql';
import { DatabaseUnavailableError } from '../errors.ts';
import { messageOf } from '../shared/error-message.ts';
import type { OpenOrmOptions } from './open-orm.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { SqliteFile } from './sqlite-file.ts';
import { loadSqlite } from './sqlite-package.ts';
import { tablesOfEntities } from './sqlite-tables.ts';
import { sqlitePath } from './sqlite-url.ts';
import { toSqlite } from './sqlite-words.ts';

const files = new WeakMap<object, SqliteFile>();

/** The file behind an ORM of `openOrm`; `undefined` for MySQL. */
export const sqliteFileOf = (orm: MikroORM): SqliteFile | undefined => files.get(orm.config);

/**
 * Opens a MikroORM instance on a SQLite file. Typed as MySQL's, whose statements it takes. Its one migration makes what
 * the entities say, so that they stay the only truth; it is another one when they change.
 */
export async function openSqliteOrm({ url, entities, poolSize = 20 }: OpenOrmOptions): Promise<MikroORM> {
  const path = sqlitePath(url);
  const { MikroORM, Database } = await loadSqlite();
  let file: SqliteFile | undefined;
  try {
    file = await SqliteFile.open(path, Database, poolSize);
    const orm = (await MikroORM.init({
      dbName: path,
      entities: [...entities] as EntitySchema[],
      extensions: [Migrator],
      driverOptions: sqliteDialect(file, { isOwned: true }),
      onQuery: toSqlite,
      debug: false,
      logger: () => {},
    })) as unknown as MikroORM;
    files.set(orm.config, file);
    orm.config.set('migrations', {
      ...orm.config.get('migrations'),
      migrationsList: [await tablesOfEntities(orm)],
      snapshot: false,
      tableName: 'checkback_migrations',
    });
    return orm;
  } catch (error) {
    file?.close();
    throw new DatabaseUnavailableError(`the SQLite file ${path} cannot be opened: ${messageOf(error)}`, { cause: error });
  }
}
