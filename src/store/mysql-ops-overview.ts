import type { MikroORM } from '@mikro-orm/mysql';
import type { BreakState } from '../reconciliation/statement/break-state.ts';
import type { DeadLetterState } from '../dead-letter/dead-letter-state.ts';
import type { CallStatus } from '../gateway/call-status.ts';
import type { SagaStatus } from '../saga/saga-status.ts';
import { AGE_BUCKETS_MS } from '../status-check/status-report.ts';
import { type HourByMinute, HourReader } from './mysql-ops-hour.ts';
import { statementsOn } from './statements.ts';

/** How many there are, counted no further than asked for: `isMore` says that there are more. */
export interface CappedCount {
  readonly count: number;
  readonly isMore: boolean;
}

/** What people on call look at first. */
export interface OpsOverview {
  /** The database's. */
  readonly at: Date;
  readonly calls: Readonly<Record<CallStatus, CappedCount>>;
  /** Status checks that have not ended, by the time since the outcome became unknown; the last bucket has no end. */
  readonly unknownByAge: readonly { readonly underMs: number | undefined; readonly count: CappedCount }[];
  readonly inReview: CappedCount;
  readonly deadLetters: Readonly<Record<DeadLetterState, CappedCount>>;
  readonly sagas: Readonly<Record<SagaStatus, CappedCount>>;
  readonly outbox: Readonly<Record<'WAITING' | 'SENT' | 'PARKED' | 'DISCARDED', CappedCount>>;
  readonly breaks: Readonly<Record<BreakState, CappedCount>>;
  readonly begun: HourByMinute;
  readonly answered: HourByMinute;
}

export interface OpsOverviewOptions {
  /** Rows counted of each status at most. Default 2,000. */
  readonly countAtMost?: number;
  /** Rows gone through for a chart at once. Default 30,000. */
  readonly chartAtMost?: number;
}

const OPEN_CHECKS = ['DUE', 'RETRY', 'REVIEW'] as const;

/** Reads the overview; what it knows of minutes that are over is for its next read. */
export const opsOverviewReader = (
  orm: MikroORM,
  { countAtMost = 2_000, chartAtMost = 30_000 }: OpsOverviewOptions = {},
): (() => Promise<OpsOverview>) => {
  const begun = new HourReader(
    { table: 'external_call_attempt', index: 'external_call_attempt_opened', at: 'opened_at', what: `'begun'` },
    chartAtMost,
  );
  const answered = new HourReader(
    { table: 'external_call_response', index: 'external_call_response_closed', at: 'closed_at', what: 'status' },
    chartAtMost,
  );
  return () => readOpsOverview(orm, countAtMost, { begun, answered });
};

/** Counts by index, each up to its limit: how much there is in the database does not matter. */
async function readOpsOverview(
  orm: MikroORM,
  countAtMost: number,
  charts: Readonly<Record<'begun' | 'answered', HourReader>>,
): Promise<OpsOverview> {
  const db = statementsOn(orm.em.getConnection('read'));
  const count = (where: string, table: string): string =>
    `select count(*) as n from (select 1 as one from ${table} where ${where} limit ${countAtMost + 1}) as few`;
  const counted = async (counts: Readonly<Record<string, string>>): Promise<Record<string, CappedCount>> => {
    const sql = Object.entries(counts).map(([name, one]) => `select '${name}' as name, n from (${one}) as of_${name.toLowerCase()}`);
    const rows = await db.rows(sql.join(' union all '), []);
    return Object.fromEntries(rows.map((row) => [String(row['name']), capped(Number(row['n']), countAtMost)]));
  };
  const byStatus = (table: string, column: string, names: readonly string[]): Promise<Record<string, CappedCount>> =>
    counted(Object.fromEntries(names.map((name) => [name, count(`${column} = '${name}'`, table)])));
  const ages = ageRanges();
  const [now] = await db.rows(
    `select timestampdiff(microsecond, '1970-01-01', at) div 1000 as ms from (select utc_timestamp(3) as at) as clock`,
    [],
  );
  const at = new Date(Number(now?.['ms']));
  const [calls, deadLetters, sagas, outbox, breaks, checks, begun, answered] = await Promise.all([
    byStatus('external_call', 'status', ['PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN']),
    byStatus('dead_letter', 'state', ['OPEN', 'REPLAYING', 'REPLAYED', 'DISCARDED', 'RESOLVED']),
    byStatus('saga_instance', 'status', ['RUNNING', 'COMPENSATING', 'PARKED', 'COMPLETED', 'COMPENSATED', 'ABANDONED']),
    byStatus('outbox_message', 'state', ['WAITING', 'SENT', 'PARKED', 'DISCARDED']),
    byStatus('reconciliation_break', 'state', ['OPEN', 'RESOLVED', 'ACCEPTED']),
    counted(
      Object.fromEntries([
        ...ages.flatMap(({ where }, nth) =>
          OPEN_CHECKS.map((state) => [`${state}_${nth}`, count(`state = '${state}' and ${where}`, 'status_check')]),
        ),
        ['REVIEW', count(`state = 'REVIEW'`, 'status_check')],
      ]),
    ),
    charts.begun.read(db, at),
    charts.answered.read(db, at),
  ]);
  return {
    at,
    calls: calls as OpsOverview['calls'],
    unknownByAge: ages.map(({ underMs }, nth) => ({ underMs, count: sum(OPEN_CHECKS.map((state) => checks[`${state}_${nth}`]!)) })),
    inReview: checks['REVIEW']!,
    deadLetters: deadLetters as OpsOverview['deadLetters'],
    sagas: sagas as OpsOverview['sagas'],
    outbox: outbox as OpsOverview['outbox'],
    breaks: breaks as OpsOverview['breaks'],
    begun,
    answered,
  };
}

const capped = (n: number, most: number): CappedCount => ({ count: Math.min(n, most), isMore: n > most });

const sum = (counts: readonly CappedCount[]): CappedCount => ({
  count: counts.reduce((all, { count }) => all + count, 0),
  isMore: counts.some(({ isMore }) => isMore),
});

function ageRanges(): readonly { readonly underMs: number | undefined; readonly where: string }[] {
  const since = (ms: number): string => `utc_timestamp(3) - interval ${ms * 1_000} microsecond`;
  return [...AGE_BUCKETS_MS, undefined].map((underMs, nth) => {
    const overMs = AGE_BUCKETS_MS[nth - 1];
    const bounds = [
      ...(underMs === undefined ? [] : [`unknown_since > ${since(underMs)}`]),
      ...(overMs === undefined ? [] : [`unknown_since <= ${since(overMs)}`]),
    ];
    return { underMs, where: bounds.join(' and ') };
  });
}
