import type { MikroORM } from '@mikro-orm/mysql';
import type { BreakCount, StatementReport, StatementRun, StatementStore } from '../reconciliation/statement/statement-store.ts';
import { retryTransient } from './external-call-database-error.ts';
import { statementsOn, type Transaction } from './statements.ts';
import { utcDate } from './utc-date.ts';

type RunStore = Pick<StatementStore, 'begin' | 'finish' | 'report' | 'reconciledDays'>;

const NOW = 'utc_timestamp(3)';

/** Runs over statements, beside their breaks. */
export const mysqlSettlementRuns = (orm: MikroORM): RunStore => {
  const outside = (): Transaction => statementsOn(orm.em.getConnection('write'));
  const inTransaction = <T>(work: (tx: Transaction) => Promise<T>): Promise<T> => {
    const connection = orm.em.getConnection('write');
    return retryTransient(() => connection.transactional((context) => work(statementsOn(connection, context))));
  };
  return {
    begin: (wanted) =>
      inTransaction(async (tx): Promise<StatementRun> => {
        const { statement, callName, day, sha256, source, since = null, lines, rows, truncatedAt = null } = wanted;
        const [unfinished] = await tx.rows(
          `select id, pass from statement_run where statement = ? and day = ? and status = 'RUNNING' and sha256 = ? and since <=> ?
           order by id limit 1 for update`,
          [statement, day, sha256, since],
        );
        if (unfinished === undefined) {
          const { insertId } = await tx.run(
            `insert into statement_run (statement, call_name, day, sha256, source, since, their_lines, our_rows, truncated_at, started_at)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ${NOW})`,
            [statement, callName, day, sha256, source.slice(-255), since, lines, rows, truncatedAt],
          );
          return { ...wanted, id: insertId, pass: 1 };
        }
        const run = { ...wanted, id: Number(unfinished['id']), pass: Number(unfinished['pass']) + 1 };
        await tx.run('update statement_run set pass = ?, their_lines = ?, our_rows = ?, source = ? where id = ?', [
          run.pass,
          lines,
          rows,
          source.slice(-255),
          run.id,
        ]);
        return run;
      }),

    finish: (run) =>
      inTransaction(async (tx) => {
        await tx.run(`update statement_run set status = 'DONE', finished_at = ${NOW} where id = ? and status = 'RUNNING'`, [run.id]);
        await tx.run("update reconciliation_break set is_late = false where statement = ? and day < ? and state = 'OPEN' and is_late", [
          run.statement,
          run.day,
        ]);
      }),

    async reconciledDays(statement, days) {
      if (days.length === 0) return new Set();
      const rows = await outside().rows(
        `select distinct day from statement_run
         where statement = ? and status = 'DONE' and truncated_at is null and since is null and day in (${days.map(() => '?').join(', ')})`,
        [statement, ...days],
      );
      return new Set(rows.map(({ day }) => String(day)));
    },

    async report(runId) {
      const db = outside();
      const [run] = await db.rows('select * from statement_run where id = ?', [runId]);
      if (run === undefined) throw new RangeError(`there is no statement run ${runId}`);
      const counts = await db.rows(
        'select kind, state, is_late, count(*) as n from reconciliation_break where last_run = ? group by kind, state, is_late order by kind, state, is_late',
        [runId],
      );
      const [totals] = await db.rows(
        `select (select count(*) from reconciliation_break where resolved_run = ?) as resolved,
           (select count(*) from reconciliation_break where statement = ? and day <> ? and state = 'OPEN' and not is_late) as open_elsewhere`,
        [runId, String(run['statement']), String(run['day'])],
      );
      return {
        run: runOf(run),
        counts: counts.map(countOf),
        resolved: Number(totals!['resolved']),
        openElsewhere: Number(totals!['open_elsewhere']),
      };
    },
  };
};

const runOf = (row: Readonly<Record<string, unknown>>): StatementReport['run'] => ({
  id: Number(row['id']),
  statement: String(row['statement']),
  callName: String(row['call_name']),
  day: String(row['day']),
  sha256: String(row['sha256']),
  source: String(row['source']),
  since: row['since'] === null ? undefined : utcDate(row['since']),
  lines: Number(row['their_lines']),
  rows: Number(row['our_rows']),
  truncatedAt: row['truncated_at'] === null ? undefined : Number(row['truncated_at']),
  isDone: row['status'] === 'DONE',
});

const countOf = (row: Readonly<Record<string, unknown>>): BreakCount => ({
  kind: row['kind'] as BreakCount['kind'],
  state: row['state'] as BreakCount['state'],
  isLate: Number(row['is_late']) === 1,
  count: Number(row['n']),
});
