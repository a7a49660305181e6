import type { MikroORM } from '@mikro-orm/mysql';
import type { RunKind } from '../reconciliation/run-store.ts';
import type { Verdict } from '../reconciliation/verdict.ts';
import type { SagaSummary } from '../saga/saga-store.ts';
import type { SagaStatus } from '../saga/saga-status.ts';
import type { StatusCheckState } from '../status-check/status-check-state.ts';
import { textOf } from './nullable-column.ts';
import { summaryOf } from './saga-rows.ts';
import { type Bind, statementsOn } from './statements.ts';
import { utcDate } from './utc-date.ts';

/** A place in a list that is ordered by a time and then by an id. */
export interface TimeCursor {
  readonly at: Date;
  readonly id: string;
}

/** A call of unknown outcome, or of one until lately. Holds nothing of the message. */
export interface OpsUnknown {
  readonly id: number;
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
  readonly listener: string;
  readonly unknownSince: Date;
  readonly nextCheckAt: Date;
  readonly checks: number;
  readonly lastSaid: string | undefined;
  readonly lastErrorCode: string | undefined;
}

/** A reconciliation of either kind. */
export interface OpsRun {
  readonly id: number;
  readonly kind: RunKind;
  readonly name: string;
  readonly status: string;
  readonly looked: number;
  readonly totals: Readonly<Partial<Record<Verdict, number>>>;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
}

/** What a reconciliation says of one call. */
export interface OpsRunItem {
  readonly id: number;
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly why: string | undefined;
  readonly at: Date;
}

/** A comparison with an institution's statement. */
export interface OpsStatementRun {
  readonly id: number;
  readonly statement: string;
  readonly day: string;
  readonly source: string;
  readonly status: string;
  readonly lines: number;
  readonly rows: number;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
}

/** Pages of lists, each through an index and by key, so that a late page costs what the first one does. */
export interface OpsLists {
  /** The one that is unknown longest first. */
  unknown(
    state: Exclude<StatusCheckState, 'DONE'>,
    page: { readonly after?: TimeCursor | undefined; readonly limit: number },
  ): Promise<readonly OpsUnknown[]>;
  /** What has ended: newest first. What has not: the one that stands still longest first. */
  sagas(status: SagaStatus, page: { readonly after?: TimeCursor | undefined; readonly limit: number }): Promise<readonly SagaSummary[]>;
  /** Newest first, with an id below `before`. */
  runs(page: { readonly before?: number | undefined; readonly limit: number }): Promise<readonly OpsRun[]>;
  /** Of one run and one verdict, oldest first. */
  runItems(
    of: { readonly run: number; readonly verdict: Verdict },
    page: { readonly after?: number | undefined; readonly limit: number },
  ): Promise<readonly OpsRunItem[]>;
  /** Newest first. */
  statementRuns(page: { readonly before?: number | undefined; readonly limit: number }): Promise<readonly OpsStatementRun[]>;
}

const ENDED: readonly SagaStatus[] = ['COMPLETED', 'COMPENSATED', 'ABANDONED'];

/** The lists on MySQL 8.4 and later, MariaDB 11 or a SQLite file of `openOrm`. */
export const mysqlOpsLists = (orm: MikroORM): OpsLists => {
  const rows = (sql: string, binds: readonly Bind[]): Promise<readonly Record<string, unknown>[]> =>
    statementsOn(orm.em.getConnection('read')).rows(sql, binds);
  return {
    unknown: async (state, { after, limit }) => {
      // Written so that the range of the index begins at the cursor.
      const from = after === undefined ? '' : 'and unknown_since >= ? and (unknown_since > ? or id > ?)';
      const found = await rows(
        `select id, call_name, idempotency_key, correlation_id, listener, unknown_since, next_check_at, checks, last_said, last_error_code
         from status_check force index (status_check_age) where state = ? ${from} order by unknown_since, id limit ?`,
        [state, ...(after === undefined ? [] : [after.at, after.at, Number(after.id)]), limit],
      );
      return found.map((row) => ({
        id: Number(row['id']),
        callName: String(row['call_name']),
        idempotencyKey: String(row['idempotency_key']),
        correlationId: String(row['correlation_id']),
        listener: String(row['listener']),
        unknownSince: utcDate(row['unknown_since']),
        nextCheckAt: utcDate(row['next_check_at']),
        checks: Number(row['checks']),
        lastSaid: textOf(row['last_said']),
        lastErrorCode: textOf(row['last_error_code']),
      }));
    },
    sagas: async (status, { after, limit }) => {
      const [order, than] = ENDED.includes(status) ? ['desc', '<'] : ['asc', '>'];
      const from = after === undefined ? '' : `and i.updated_at ${than}= ? and (i.updated_at ${than} ? or i.id ${than} ?)`;
      const found = await rows(
        `select i.id, i.saga, i.version, i.status, i.direction, i.error, i.correlation_id, i.created_at, i.updated_at, s.name as step_name
         from saga_instance i force index (saga_instance_status)
         left join saga_step s on s.saga_id = i.id and s.step = i.step and s.direction = i.direction
         where i.status = ? ${from} order by i.updated_at ${order}, i.id ${order} limit ?`,
        [status, ...(after === undefined ? [] : [after.at, after.at, after.id]), limit],
      );
      return found.map(summaryOf);
    },
    runs: async ({ before = Number.MAX_SAFE_INTEGER, limit }) => {
      const found = await rows(
        `select id, kind, name, status, looked, totals, started_at, finished_at from reconciliation_run
         where id < ? order by id desc limit ?`,
        [before, limit],
      );
      return found.map((row) => ({
        id: Number(row['id']),
        kind: row['kind'] as RunKind,
        name: String(row['name']),
        status: String(row['status']),
        looked: Number(row['looked']),
        totals: JSON.parse(textOf(row['totals']) ?? '{}') as OpsRun['totals'],
        startedAt: utcDate(row['started_at']),
        finishedAt: row['finished_at'] === null ? undefined : utcDate(row['finished_at']),
      }));
    },
    runItems: async ({ run, verdict }, { after = 0, limit }) => {
      const found = await rows(
        `select id, call_name, idempotency_key, why, updated_at from reconciliation_item force index (reconciliation_item_verdict)
         where run_id = ? and verdict = ? and id > ? order by id limit ?`,
        [run, verdict, after, limit],
      );
      return found.map((row) => ({
        id: Number(row['id']),
        callName: String(row['call_name']),
        idempotencyKey: String(row['idempotency_key']),
        why: textOf(row['why']),
        at: utcDate(row['updated_at']),
      }));
    },
    statementRuns: async ({ before = Number.MAX_SAFE_INTEGER, limit }) => {
      const found = await rows(
        `select id, statement, day, source, status, their_lines, our_rows, started_at, finished_at from statement_run
         where id < ? order by id desc limit ?`,
        [before, limit],
      );
      return found.map((row) => ({
        id: Number(row['id']),
        statement: String(row['statement']),
        day: String(row['day']),
        source: String(row['source']),
        status: String(row['status']),
        lines: Number(row['their_lines']),
        rows: Number(row['our_rows']),
        startedAt: utcDate(row['started_at']),
        finishedAt: row['finished_at'] === null ? undefined : utcDate(row['finished_at']),
      }));
    },
  };
};
