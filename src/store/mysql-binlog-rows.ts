import type { EntityProperty } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { type ExpectedColumn, misfits } from '../change-data-capture/compare-columns.ts';
import type { ReadableRowMessage } from '../change-data-capture/messages-of-change.ts';
import type { LoggedTable } from '../change-data-capture/row-change.ts';
import type { AnyRowMessage } from '../change-data-capture/row-message.ts';
import { ConfigurationError } from '../errors.ts';

/**
 * How the rows of a row message's table are read: values become what MikroORM reads from a query, custom types included.
 * Throws `ConfigurationError` for an entity the ORM does not know, or a property the entity does not have.
 */
export const readableRowMessage = (orm: MikroORM, rowMessage: AnyRowMessage): ReadableRowMessage => {
  const where = `row message of listener "${rowMessage.listener.name}"`;
  const meta = orm.getMetadata().find(rowMessage.entity as never);
  if (meta?.tableName === undefined) throw new ConfigurationError(`${where}: its entity is none of the database's`);
  const stored = meta.props.filter(({ persist, fieldNames }) => persist !== false && fieldNames?.length === 1);
  for (const name of rowMessage.columns ?? []) {
    if (!stored.some((prop) => prop.name === name))
      throw new ConfigurationError(`${where}: columns names "${name}", which is no column of ${meta.tableName}`);
  }
  // The ORM identifies a row by its key, whatever else is read of it.
  const read = stored.filter((prop) => rowMessage.columns === undefined || prop.primary || rowMessage.columns.includes(prop.name));
  const expected: ExpectedColumn[] = read.map((prop) => ({ name: columnOf(prop), type: prop.columnTypes?.[0] ?? '' }));
  const known = new WeakMap<LoggedTable, readonly string[]>();
  return {
    rowMessage,
    table: `${meta.schema ?? orm.config.get('dbName')}.${meta.tableName}`,
    misfits(table) {
      let found = known.get(table);
      if (found === undefined) {
        found = misfits(expected, table.columns);
        known.set(table, found);
      }
      return found;
    },
    readRow: (image) => {
      const values = new Map(Object.entries(image).map(([name, value]) => [name.toLowerCase(), value]));
      const raw = Object.fromEntries(read.map((prop) => [columnOf(prop), queried(values.get(columnOf(prop).toLowerCase()), prop)]));
      // A fork a row: rows of one key before and after are two objects.
      return orm.em.fork({ clear: true, useContext: false }).map(meta.class as never, raw as never) as object;
    },
  };
};

const columnOf = (prop: EntityProperty): string => prop.fieldNames[0]!;

/** A value of the binlog as the driver gives it in the answer to a query. */
const queried = (value: unknown, { columnTypes }: EntityProperty): unknown => {
  // As the driver does for a column that the ORM declares as JSON, of MySQL or of MariaDB, whose JSON is text.
  if (columnTypes?.[0] === 'json' && typeof value === 'string') return JSON.parse(value);
  return value;
};
