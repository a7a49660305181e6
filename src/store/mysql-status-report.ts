import type { MikroORM } from '@mikro-orm/mysql';
import { STATUS_CHECK_STATES, type InstitutionSaid, type StatusCheckState } from '../status-check/status-check-state.ts';
import { AGE_BUCKETS_MS, type CallInReview, type StatusCheckSummary, type StatusReport } from '../status-check/status-report.ts';
import { utcDate } from './utc-date.ts';

const AGE_MS = 'timestampdiff(microsecond, unknown_since, utc_timestamp(3)) / 1000';
const MAX_PAGE = 1_000;

/** The report on MySQL 8.4 and later, MariaDB 11 or a SQLite file of `openOrm`. */
export const mysqlStatusReport = (orm: MikroORM): StatusReport => {
  const rows = (sql: string, binds: readonly (string | number)[] = []): Promise<Record<string, unknown>[]> =>
    orm.em.getConnection().execute(sql, [...binds], 'all');
  return {
    summary: async (): Promise<StatusCheckSummary> => {
      const counted = new Map(
        (await rows('select state, count(*) as n from status_check group by state')).map((row) => [row['state'], Number(row['n'])]),
      );
      const byState = Object.fromEntries(STATUS_CHECK_STATES.map((state) => [state, counted.get(state) ?? 0])) as Record<
        StatusCheckState,
        number
      >;
      const buckets = AGE_BUCKETS_MS.map(
        (ms, nth) => `sum(age_ms < ${ms}${nth === 0 ? '' : ` and age_ms >= ${AGE_BUCKETS_MS[nth - 1]}`}) as b${nth}`,
      );
      const last = AGE_BUCKETS_MS.length;
      const [open] = await rows(
        `select ${buckets.join(', ')}, sum(age_ms >= ${AGE_BUCKETS_MS[last - 1]}) as b${last}, max(age_ms) as oldest, sum(is_overdue) as overdue from (
           select ${AGE_MS} as age_ms, state <> 'REVIEW' and next_check_at < utc_timestamp(3) - interval 1 minute as is_overdue
           from status_check where state in ('DUE', 'RETRY', 'REVIEW')) as open`,
      );
      const number = (name: string): number => Number(open?.[name] ?? 0);
      return {
        byState,
        openByAge: [...AGE_BUCKETS_MS, undefined].map((underMs, nth) => ({ underMs, count: number(`b${nth}`) })),
        overdue: number('overdue'),
        oldestMs: open?.['oldest'] == null ? undefined : Math.floor(number('oldest')),
      };
    },
    inReview: async ({ after = 0, limit = 100 } = {}): Promise<readonly CallInReview[]> => {
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_PAGE)
        throw new RangeError(`limit must be a whole number from 1 to ${MAX_PAGE}, it is ${limit}`);
      if (!Number.isSafeInteger(after) || after < 0) throw new RangeError(`after must be an id, it is ${after}`);
      const found = await rows(
        `select id, call_name, idempotency_key, listener, correlation_id, unknown_since, checks, last_said, last_error_code
         from status_check where state = 'REVIEW' and id > ? order by id limit ${limit}`,
        [after],
      );
      return found.map((row) => ({
        id: Number(row['id']),
        callName: row['call_name'] as string,
        idempotencyKey: row['idempotency_key'] as string,
        listener: row['listener'] as string,
        correlationId: row['correlation_id'] as string,
        unknownSince: utcDate(row['unknown_since']),
        checks: Number(row['checks']),
        lastSaid: (row['last_said'] as InstitutionSaid | null) ?? undefined,
        lastErrorCode: (row['last_error_code'] as string | null) ?? undefined,
      }));
    },
  };
};
