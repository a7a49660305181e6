import type { MikroORM } from '@mikro-orm/mysql';
import { CALL_STATUSES, type CallStatus } from '../gateway/call-status.ts';
import { numberOf, textOf } from './nullable-column.ts';
import { type Bind, statementsOn } from './statements.ts';
import { utcDate } from './utc-date.ts';

/** A call as a list shows it. */
export interface OpsCall {
  readonly id: number;
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
  readonly status: CallStatus;
  readonly attempts: number;
  readonly httpStatus: number | undefined;
  readonly errorCode: string | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Finds calls. Each question goes through an index and reads no more rows than it gives. */
export interface OpsSearch {
  /** Names of calls on record, in order; the first 200. */
  callNames(): Promise<readonly string[]>;
  /** Oldest first. */
  byCorrelation(correlationId: string, limit: number): Promise<readonly OpsCall[]>;
  /** Calls of any name under this key. */
  byKey(idempotencyKey: string): Promise<readonly OpsCall[]>;
  /** Newest first, `limit` with an id below `before`. */
  byNameAndStatus(
    wanted: { readonly callName: string; readonly status: CallStatus },
    page: { readonly before?: number | undefined; readonly limit: number },
  ): Promise<readonly OpsCall[]>;
}

const MAX_NAMES = 200;
/** What `callOf` reads. */
export const CALL_COLUMNS = `id, call_name, idempotency_key, correlation_id, status, attempts, http_status, last_error_code, created_at, updated_at`;

/** The search on MySQL 8.4 and later, MariaDB 11 or a SQLite file of `openOrm`. */
export const mysqlOpsSearch = (orm: MikroORM): OpsSearch => {
  const calls = async (sql: string, binds: readonly Bind[]): Promise<readonly OpsCall[]> =>
    (await statementsOn(orm.em.getConnection('read')).rows(sql, binds)).map(callOf);
  const callNames = async (): Promise<readonly string[]> => {
    const names: string[] = [];
    // From name to name, because "distinct" would go through the whole index.
    for (let last = ''; names.length < MAX_NAMES;) {
      const [row] = await statementsOn(orm.em.getConnection('read')).rows(
        'select call_name from external_call where call_name > ? order by call_name limit 1',
        [last],
      );
      if (row === undefined) break;
      names.push((last = String(row['call_name'])));
    }
    return names;
  };
  return {
    callNames,
    byCorrelation: (correlationId, limit) =>
      calls(`select ${CALL_COLUMNS} from external_call where correlation_id = ? order by id limit ?`, [correlationId, limit]),
    byKey: async (idempotencyKey) => {
      const names = await callNames();
      if (names.length === 0) return [];
      const marks = names.map(() => '?').join(', ');
      return calls(`select ${CALL_COLUMNS} from external_call where call_name in (${marks}) and idempotency_key = ? order by call_name`, [
        ...names,
        idempotencyKey,
      ]);
    },
    byNameAndStatus: ({ callName, status }, { before, limit }) => {
      if (!CALL_STATUSES.includes(status)) throw new RangeError(`status must be one of ${CALL_STATUSES.join(', ')}, got ${status}`);
      return calls(
        `select ${CALL_COLUMNS} from external_call force index (external_call_name_status)
         where call_name = ? and status = ? and id < ? order by id desc limit ?`,
        [callName, status, before ?? Number.MAX_SAFE_INTEGER, limit],
      );
    },
  };
};

export const callOf = (row: Readonly<Record<string, unknown>>): OpsCall => ({
  id: Number(row['id']),
  callName: String(row['call_name']),
  idempotencyKey: String(row['idempotency_key']),
  correlationId: String(row['correlation_id']),
  status: row['status'] as CallStatus,
  attempts: Number(row['attempts']),
  httpStatus: numberOf(row['http_status']),
  errorCode: textOf(row['last_error_code']),
  createdAt: utcDate(row['created_at']),
  updatedAt: utcDate(row['updated_at']),
});
