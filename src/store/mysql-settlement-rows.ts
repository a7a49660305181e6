import type { MikroORM } from '@mikro-orm/mysql';
import { ConfigurationError } from '../errors.ts';
import type { CallStatus } from '../gateway/call-status.ts';
import type { AnyStatement } from '../reconciliation/statement/define-statement.ts';
import type { OurRows, ReferencedRow } from '../reconciliation/statement/our-rows.ts';
import { type Bind, statementsOn } from './statements.ts';
import { utcDate } from './utc-date.ts';

/** Reads rows with their calls by MySQL 8.4 and later or MariaDB 11. The entities of statements must be known to the ORM. */
export const mysqlOurRows = (orm: MikroORM): OurRows => {
  const plans = new WeakMap<AnyStatement, Plan>();
  const planOf = (statement: AnyStatement): Plan => {
    let plan = plans.get(statement);
    if (plan === undefined) plans.set(statement, (plan = makePlan(orm, statement)));
    return plan;
  };
  const read = async (sql: string, binds: readonly Bind[]): Promise<readonly Record<string, unknown>[]> =>
    statementsOn(orm.em.getConnection('write')).rows(sql, binds);
  return {
    async page(statement, { from, to }, cursor, limit) {
      const { select, keys, written, forced, condition, conditionBinds } = planOf(statement);
      const after = cursor === undefined ? '' : ` and ${afterCursor(keys)}`;
      const rows = await read(
        `${select(forced)} where ${written} >= ? and ${written} < ?${condition}${after} order by ${keys.join(', ')} limit ?`,
        [statement.call, from, to, ...conditionBinds, ...(cursor === undefined ? [] : cursorBinds(cursor)), limit],
      );
      const last = rows.at(-1);
      const next = rows.length < limit || last === undefined ? undefined : keys.map((_, place) => String(last[`key_${place}`]));
      return { rows: rows.map(rowOf), next };
    },
    async find(statement, references) {
      if (references.length === 0) return [];
      const { select, reference, condition, conditionBinds } = planOf(statement);
      const marks = references.map(() => '?').join(', ');
      const rows = await read(`${select('')} where ${reference} in (${marks})${condition}`, [
        statement.call,
        ...references,
        ...conditionBinds,
      ]);
      // The column may compare without case; a reference does not.
      const wanted = new Set(references);
      return rows.map(rowOf).filter(({ reference }) => wanted.has(reference));
    },
  };
};

/** A statement's entity as tables and columns. */
interface Plan {
  readonly select: (hint: string) => string;
  readonly reference: string;
  readonly written: string;
  /** What pages are ordered by. */
  readonly keys: readonly string[];
  /** Makes the database go through the primary key once, in place of sorting all rows again for each page. */
  readonly forced: string;
  readonly condition: string;
  readonly conditionBinds: readonly Bind[];
}

function makePlan(orm: MikroORM, { ours, name }: AnyStatement): Plan {
  const meta = orm.getMetadata().get(ours.entity as never);
  const column = (property: string): string => {
    const fields = meta.properties[property as never] as { fieldNames?: readonly string[] } | undefined;
    if (fields?.fieldNames?.length !== 1)
      throw new ConfigurationError(`statement "${name}": ${meta.className} has no column "${property}"`);
    return `r.\`${fields.fieldNames[0]}\``;
  };
  if (meta.primaryKeys.length !== 1)
    throw new ConfigurationError(`statement "${name}": the primary key of ${meta.className} must be one column, to be read by page`);
  const id = column(meta.primaryKeys[0] as string);
  const written = column(ours.writtenAt);
  const reference = column(ours.reference);
  const isIndexed = [...meta.indexes, ...meta.uniques].some((index) => [index.properties].flat()[0] === ours.writtenAt);
  const property = meta.properties[ours.writtenAt as never] as { index?: unknown; unique?: unknown };
  const keys = isIndexed || property.index || property.unique ? [written, id] : [id];
  const shown = keys.map((key, place) => `cast(${key} as char) as key_${place}`).join(', ');
  const { condition, conditionBinds } = conditionOf(orm, ours);
  return {
    select: (hint) =>
      `select ${reference} as reference, cast(${column(ours.amountMinor)} as char) as amount_minor, ${column(ours.currency)} as currency,
         ${written} as written_at, c.status, ${shown}
       from \`${meta.tableName}\` r ${hint} left join external_call c on c.call_name = ? and c.idempotency_key = ${reference}`,
    reference,
    written,
    keys,
    forced: keys.length === 1 ? 'force index (primary)' : '',
    condition,
    conditionBinds,
  };
}

/** MikroORM's conditions as it writes them itself, about the same alias. */
function conditionOf(orm: MikroORM, { entity, where }: AnyStatement['ours']): Pick<Plan, 'condition' | 'conditionBinds'> {
  if (where === undefined || Object.keys(where).length === 0) return { condition: '', conditionBinds: [] };
  const { sql, params } = orm.em
    .fork({ clear: true, useContext: false })
    .createQueryBuilder(entity as never, 'r')
    .select('1' as never)
    .where(where as never)
    .toQuery();
  const at = sql.indexOf(' where ');
  return { condition: ` and (${sql.slice(at + ' where '.length)})`, conditionBinds: params as Bind[] };
}

const afterCursor = (keys: readonly string[]): string =>
  keys.length === 1 ? `${keys[0]} > ?` : `${keys[0]} >= ? and (${keys[0]} > ? or ${keys[1]} > ?)`;

const cursorBinds = ([first, second]: readonly string[]): string[] => (second === undefined ? [first!] : [first!, first!, second]);

const rowOf = (row: Readonly<Record<string, unknown>>): ReferencedRow => ({
  reference: String(row['reference']),
  amountMinor: BigInt(row['amount_minor'] as string),
  currency: String(row['currency']),
  status: (row['status'] as CallStatus | null) ?? undefined,
  writtenAt: utcDate(row['written_at']),
});
