import type { MikroORM } from '@mikro-orm/mysql';
import { AGE_BUCKETS_MS } from '../status-check/status-report.ts';

/** External calls that have not come to an end. */
export interface OpenCalls {
  /** Under a lease now: a request is on its way. */
  readonly inProgress: number;
  /** PENDING between attempts. */
  readonly waiting: number;
  /** PENDING with an expired lease: its worker died, and the next look at it makes it UNKNOWN. */
  readonly abandoned: number;
  readonly unknown: number;
  /** UNKNOWN by the time since it became so; each bucket up to `underMs`, the last one beyond. */
  readonly unknownByAge: readonly { readonly underMs: number | undefined; readonly count: number }[];
}

/** Dead letters that wait for somebody. */
export interface OpenDeadLetters {
  readonly open: number;
  readonly replaying: number;
  /** OPEN ones, the topic with most of them first; at most 20 topics. */
  readonly byTopic: readonly { readonly topic: string; readonly group: string; readonly count: number }[];
}

/** Sagas that have not ended. */
export interface OpenSagas {
  readonly running: number;
  readonly compensating: number;
  readonly parked: number;
}

/** Counts by index; what has ended is not read, so that its number does not matter. Ages by the database's clock. */
export async function countOpenCalls(orm: MikroORM): Promise<OpenCalls> {
  const connection = orm.em.getConnection('read');
  const [pending] = await connection.execute<Record<'inProgress' | 'waiting' | 'abandoned', number | string | null>[]>(
    `select sum(lease_until is not null and lease_until > utc_timestamp(3)) as inProgress, sum(lease_until is null) as waiting,
            sum(lease_until is not null and lease_until <= utc_timestamp(3)) as abandoned
     from external_call where status = 'PENDING'`,
  );
  const buckets = await connection.execute<{ bucket: number | string; count: number | string }[]>(
    `select (updated_at < utc_timestamp(3) - interval ? microsecond) + (updated_at < utc_timestamp(3) - interval ? microsecond)
            + (updated_at < utc_timestamp(3) - interval ? microsecond) as bucket, count(*) as count
     from external_call where status = 'UNKNOWN' group by bucket`,
    AGE_BUCKETS_MS.map((ms) => ms * 1_000),
  );
  const counts = new Map(buckets.map(({ bucket, count }) => [Number(bucket), Number(count)]));
  const unknownByAge = [...AGE_BUCKETS_MS, undefined].map((underMs, index) => ({ underMs, count: counts.get(index) ?? 0 }));
  return {
    inProgress: Number(pending?.inProgress ?? 0),
    waiting: Number(pending?.waiting ?? 0),
    abandoned: Number(pending?.abandoned ?? 0),
    unknown: unknownByAge.reduce((sum, { count }) => sum + count, 0),
    unknownByAge,
  };
}

/** Counts by index, of letters nobody has decided about. */
export async function countOpenDeadLetters(orm: MikroORM): Promise<OpenDeadLetters> {
  const rows = await orm.em
    .getConnection('read')
    .execute<{ state: 'OPEN' | 'REPLAYING'; topic: string; name: string; count: number | string }[]>(
      `select state, topic, consumer_group as name, count(*) as count from dead_letter
       where state in ('OPEN', 'REPLAYING') group by state, topic, consumer_group order by count(*) desc, topic, consumer_group`,
    );
  const sum = (wanted: string): number => rows.reduce((all, { state, count }) => (state === wanted ? all + Number(count) : all), 0);
  const open = rows.filter(({ state }) => state === 'OPEN').slice(0, 20);
  const byTopic = open.map(({ topic, name, count }) => ({ topic, group: name, count: Number(count) }));
  return { open: sum('OPEN'), replaying: sum('REPLAYING'), byTopic };
}

/** Counts by index, of sagas under way or parked. */
export async function countOpenSagas(orm: MikroORM): Promise<OpenSagas> {
  const rows = await orm.em
    .getConnection('read')
    .execute<{ status: string; count: number | string }[]>(
      `select status, count(*) as count from saga_instance where status in ('RUNNING', 'COMPENSATING', 'PARKED') group by status`,
    );
  const counts = new Map(rows.map(({ status, count }) => [status, Number(count)]));
  return { running: counts.get('RUNNING') ?? 0, compensating: counts.get('COMPENSATING') ?? 0, parked: counts.get('PARKED') ?? 0 };
}
