import type { EntityName } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { SqlResult, SqlTransaction, SqlValue } from '../transaction/sql-transaction.ts';
import { type Run, rowInsert } from './row-insert.ts';
import { utcText } from './utc-date.ts';

/** Statements of one local transaction; remembers the rows it inserted, as what its look-up will find. */
export class SessionStatements implements SqlTransaction {
  readonly #orm: MikroORM;
  readonly #run: Run;
  #over: Error | undefined;
  readonly #inserted: { readonly className: string; readonly row: Readonly<Record<string, unknown>> }[] = [];

  constructor(orm: MikroORM, run: Run) {
    this.#orm = orm;
    this.#run = run;
  }

  async insert<Row extends object>(entity: EntityName<Row>, row: Partial<Row>): Promise<SqlResult> {
    const { className, sql, values, complete } = rowInsert(this.#orm, entity as EntityName<object>, row);
    const result = await this.execute(sql, values);
    this.#inserted.push({ className, row: complete });
    return result;
  }

  async execute(sql: string, parameters: readonly SqlValue[] = []): Promise<SqlResult> {
    if (this.#over !== undefined) throw this.#over;
    const { affectedRows, insertId } = await this.#run(sql, parameters.map(asBind));
    return { affectedRows, insertId };
  }

  async query<Row extends object>(sql: string, parameters: readonly SqlValue[] = []): Promise<readonly Row[]> {
    if (this.#over !== undefined) throw this.#over;
    return (await this.#run(sql, parameters.map(asBind))).rows as Row[];
  }

  /** Takes no more work, for this reason. */
  end(why: Error): void {
    this.#over = why;
  }

  /** Whether a row that `insert` wrote has these values. */
  hasInserted(className: string, where: readonly (readonly [string, unknown])[]): boolean {
    return this.#inserted.some((written) => written.className === className && where.every(([name, value]) => written.row[name] === value));
  }
}

/** A date as MikroORM writes it: in UTC, whatever the session's time zone. */
const asBind = (value: SqlValue): unknown => (value instanceof Date ? utcText(value) : value);
