import type { EntityName } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { SqlValue } from '../transaction/sql-transaction.ts';

/** One statement on a session's connection. */
export type Run = (
  sql: string,
  parameters: readonly unknown[],
) => Promise<{ readonly rows: readonly object[]; readonly affectedRows: number; readonly insertId: number }>;

interface RowInsert {
  readonly className: string;
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** The row by its properties, with what `onCreate` added. */
  readonly complete: Readonly<Record<string, unknown>>;
}

/** The texts of statements, by entity and properties: a listener uses one or two. */
const textsOf = new WeakMap<object, Map<string, string>>();

/** The INSERT of one row, by what MikroORM knows of its entity. Throws `TypeError` for a property that is no column of its own table. */
export function rowInsert(orm: MikroORM, entity: EntityName<object>, row: Readonly<Record<string, unknown>>): RowInsert {
  const meta = orm.getMetadata().get(entity as never);
  const complete: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) if (value !== undefined) complete[name] = value;
  for (const { name, onCreate } of meta.props) {
    if (onCreate !== undefined && complete[name] === undefined) complete[name] = onCreate(complete, orm.em);
  }
  const platform = orm.em.getPlatform();
  const values = Object.entries(complete).map(([name, value]): SqlValue => {
    const property = meta.properties[name as never] as (typeof meta.props)[number] | undefined;
    if (property?.fieldNames?.length !== 1) throw new TypeError(`insert: ${meta.className} has no column for "${name}"`);
    if (property.customType === undefined || value === null) return value as SqlValue;
    return property.customType.convertToDatabaseValue(value, platform, { mode: 'serialization' }) as SqlValue;
  });
  return {
    className: meta.className,
    sql: textOf(meta, Object.keys(complete), (name) => platform.quoteIdentifier(name)),
    values,
    complete,
  };
}

function textOf(
  meta: { readonly tableName: string; readonly properties: object },
  names: readonly string[],
  quote: (name: string) => string,
): string {
  const texts = textsOf.get(meta) ?? new Map<string, string>();
  textsOf.set(meta, texts);
  const key = names.join();
  let text = texts.get(key);
  if (text === undefined) {
    const properties = meta.properties as Record<string, { readonly fieldNames: readonly string[] }>;
    const columns = names.map((name) => quote(properties[name]!.fieldNames[0]!));
    text = `insert into ${quote(meta.tableName)} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`;
    texts.set(key, text);
  }
  return text;
}
