import { hash } from 'node:crypto';
import { Migration } from '@mikro-orm/migrations';
import type { MigrationObject, MikroORM } from '@mikro-orm/mysql';
import { ConfigurationError } from '../errors.ts';

/**
 * The migration of a SQLite file: the tables that the entities describe. It is named after what they say, so that a new
 * entity is a new migration, which makes what is missing. Throws `ConfigurationError` for a table whose entity has changed
 * since: files are for demos and tests, and are made anew.
 */
export async function tablesOfEntities({ schema }: MikroORM): Promise<MigrationObject> {
  const wanted = statementsOf(await schema.getCreateSchemaSQL({ wrap: false }));

  class TablesOfEntities extends Migration {
    override async up(): Promise<void> {
      const found = (await this.execute("select name, sql from sqlite_master where type = 'table'")) as { name: string; sql: string }[];
      const known = new Map(found.map(({ name, sql }) => [name, bodyOf(sql)]));
      for (const sql of wanted) {
        const name = /^create table `([^`]+)`/.exec(sql)?.[1];
        if (name !== undefined && known.has(name) && known.get(name) !== bodyOf(sql))
          throw new ConfigurationError(`table ${name} was made from another version of its entity: delete the SQLite file and begin anew`);
        this.addSql(sql.replace(/^create (table|(?:unique )?index) /, 'create $1 if not exists '));
      }
    }

    override down(): void {
      for (const sql of wanted) {
        const name = /^create table (`[^`]+`)/.exec(sql)?.[1];
        if (name !== undefined) this.addSql(`drop table if exists ${name}`);
      }
    }
  }
  return { name: `tables-of-entities-${hash('sha256', wanted.join('\n')).slice(0, 12)}`, class: TablesOfEntities };
}

const statementsOf = (sql: string): string[] =>
  sql
    .split(/;\n/)
    .map((text) => text.trim())
    .filter((text) => text !== '' && !text.startsWith('pragma'));

/** Columns and checks: SQLite keeps the text of a table from its name on as it was. */
const bodyOf = (sql: string): string => sql.slice(sql.indexOf('(')).replace(/;$/, '');
