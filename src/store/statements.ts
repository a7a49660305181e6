import { BaseSqliteConnection, type MikroORM } from '@mikro-orm/mysql';
import { utcText } from './utc-date.ts';

export type Bind = string | number | boolean | Buffer | Date | null;

/** Statements of one transaction, or of none. */
export interface Transaction {
  run(sql: string, binds: readonly Bind[]): Promise<{ readonly affectedRows: number; readonly insertId: number }>;
  rows(sql: string, binds: readonly Bind[]): Promise<readonly Record<string, unknown>[]>;
}

type Connection = ReturnType<MikroORM['em']['getConnection']>;

/** Statements on a connection, in a transaction of it or by themselves. */
export function statementsOn(connection: Connection, context?: Parameters<Connection['execute']>[3]): Transaction {
  // SQLite keeps a date as a number, which its driver sees to.
  const bound = (binds: readonly Bind[]): Bind[] => (connection instanceof BaseSqliteConnection ? [...binds] : binds.map(asText));
  return {
    run: (sql, binds) => connection.execute(sql, bound(binds), 'run', context),
    rows: (sql, binds) => connection.execute(sql, bound(binds), 'all', context),
  };
}

/** A date as MySQL's own utc_timestamp(3) writes it, which no session's time zone changes. */
export const asText = (bind: Bind): Exclude<Bind, Date> => (bind instanceof Date ? utcText(bind) : bind);
