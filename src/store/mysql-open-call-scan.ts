import type { Bind } from './statements.ts';

/**
 * Where a scan of the open calls is. `abandoned`: PENDING, lease over. `unknown`: UNKNOWN. `idle`: PENDING between
 * attempts. `again`: what was locked by somebody when its turn came. Each in the order of the index it is read by.
 */
export interface ScanPosition {
  readonly stage: 'abandoned' | 'unknown' | 'idle' | 'again';
  /** Calls younger than the run are none of its business, so that it ends. */
  readonly untilId: number;
  readonly id: number;
  /** `abandoned` only; ISO 8601. */
  readonly leaseUntil?: string | undefined;
}

export const STAGES: readonly ScanPosition['stage'][] = ['abandoned', 'unknown', 'idle', 'again'];

/** The position at the beginning of the next stage; `undefined` after the last one. */
export const nextStage = ({ stage, untilId }: ScanPosition, last: ScanPosition['stage'] = 'again'): ScanPosition | undefined => {
  if (stage === last) return undefined;
  return { stage: STAGES[STAGES.indexOf(stage) + 1]!, untilId, id: 0 };
};

const NOW = 'utc_timestamp(3)';
/** Questions are calls as well, and whoever asks looks after them. */
const NO_QUESTION = "c.call_name not like '%.status'";
const ABANDONED = `c.status = 'PENDING' and c.lease_until <= ${NOW}`;
const UNKNOWN = "c.status = 'UNKNOWN' and c.lease_until is null";
// A call that the status check has given back is open all the same.
const IDLE = `c.status = 'PENDING' and c.lease_until is null and (coalesce(c.not_before, c.updated_at) <= ${NOW} - interval ? microsecond
  or exists (select 1 from status_check s where s.call_name = c.call_name and s.idempotency_key = c.idempotency_key and s.state <> 'DONE'))`;

export interface PageOptions {
  readonly since: Date | undefined;
  readonly limit: number;
  readonly idleAfterMs: number;
  /** The run whose items are known already; for `again`. */
  readonly runId?: number | undefined;
}

/** The ids of a page, with the end of their leases; without its lock. */
export const pageOf = (position: ScanPosition, options: PageOptions): { readonly sql: string; readonly binds: readonly Bind[] } => {
  const { since, limit, idleAfterMs, runId } = options;
  const { stage, untilId, id, leaseUntil } = position;
  const common = `${NO_QUESTION} and c.id <= ?${since === undefined ? '' : ' and c.created_at >= ?'}`;
  const commonBinds: Bind[] = [untilId, ...(since === undefined ? [] : [since])];
  const from = 'select c.id, c.lease_until from external_call c force index (external_call_status) where';
  const end = `limit ${Math.floor(limit)}`;
  const idleUs = idleAfterMs * 1000;
  switch (stage) {
    case 'abandoned': {
      const after = leaseUntil === undefined ? '' : ' and c.lease_until >= ? and (c.lease_until > ? or c.id > ?)';
      const afterBinds = leaseUntil === undefined ? [] : [new Date(leaseUntil), new Date(leaseUntil), id];
      return {
        sql: `${from} ${ABANDONED}${after} and ${common} order by c.lease_until, c.id ${end}`,
        binds: [...afterBinds, ...commonBinds],
      };
    }
    case 'unknown':
      return { sql: `${from} ${UNKNOWN} and c.id > ? and ${common} order by c.id ${end}`, binds: [id, ...commonBinds] };
    case 'idle':
      return { sql: `${from} ${IDLE} and c.id > ? and ${common} order by c.id ${end}`, binds: [idleUs, id, ...commonBinds] };
    case 'again': {
      const isNew = `not exists (select 1 from reconciliation_item i
        where i.run_id = ? and i.call_name = c.call_name and i.idempotency_key = c.idempotency_key)`;
      return {
        sql: `${from} ((${ABANDONED}) or c.status = 'UNKNOWN' or (${IDLE})) and ${isNew} and ${common} order by c.id ${end}`,
        binds: [idleUs, runId ?? 0, ...commonBinds],
      };
    }
  }
};

/** How many calls the stages will find, about. */
export const COUNT_OPEN = `select count(*) as n from external_call c force index (external_call_status)
  where c.status in ('PENDING', 'UNKNOWN') and ((${ABANDONED}) or (${UNKNOWN})) and ${NO_QUESTION}`;
