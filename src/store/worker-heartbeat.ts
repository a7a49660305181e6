import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { MikroORM } from '@mikro-orm/mysql';
import type { CircuitSnapshot } from '../gateway/circuit-breaker.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import type { WorkerStats } from '../worker/worker-stats.ts';
import { utcDate } from './utc-date.ts';

/** What a worker says of itself. */
export interface WorkerReport {
  readonly stats: WorkerStats;
  readonly circuits: readonly CircuitSnapshot[];
}

export interface HeartbeatOptions {
  readonly orm: MikroORM;
  readonly owner: string;
  readonly report: () => WorkerReport;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

const INTERVAL_MS = 5_000;
/** A worker seen longer ago is taken for dead. */
const DEAD_AFTER_MS = 6 * INTERVAL_MS;

/**
 * Writes one row about this process, again and again, until closed, which removes it. A database that is away is logged
 * once and costs nothing else. Rows of processes that died are removed by others after a day.
 */
export function startHeartbeat(options: HeartbeatOptions): { close(): Promise<void> } {
  const { orm, owner, report, logger = silentLogger, clock = systemClock } = options;
  const workerId = randomUUID();
  const startedAt = new Date(clock.now());
  const stop = new AbortController();
  const execute = (sql: string, params: unknown[]): Promise<unknown> => orm.em.getConnection('write').execute(sql, params, 'run');
  let isAway = false;

  const beat = async (): Promise<void> => {
    await execute(
      `insert into worker_heartbeat (worker_id, owner, host, pid, started_at, seen_at, report)
       values (?, ?, ?, ?, ?, utc_timestamp(3), ?) on duplicate key update seen_at = utc_timestamp(3), report = values(report)`,
      [workerId, owner, hostname().slice(0, 255), process.pid, startedAt, JSON.stringify(report())],
    );
  };
  const beating = (async () => {
    while (!stop.signal.aborted) {
      try {
        await beat();
        isAway = false;
      } catch (error) {
        if (!isAway) logger.warn({ error }, 'heartbeat not written; "checkback status" will miss this worker');
        isAway = true;
      }
      await clock.sleep(INTERVAL_MS, stop.signal).catch(() => {});
    }
  })();
  let closing: Promise<void> | undefined;
  return {
    close: () =>
      (closing ??= (async () => {
        stop.abort();
        await beating;
        const gone = 'delete from worker_heartbeat where worker_id = ? or seen_at < utc_timestamp(3) - interval 1 day';
        await execute(gone, [workerId]).catch(() => {});
      })()),
  };
}

/** A worker that was alive within the last half minute. */
export interface LiveWorker extends WorkerReport {
  readonly workerId: string;
  readonly owner: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: Date;
}

/** Those that beat not long ago by the database's clock, the longest running first. */
export async function liveWorkers(orm: MikroORM): Promise<LiveWorker[]> {
  const rows = await orm.em
    .getConnection('read')
    .execute<{ id: string; owner: string; host: string; pid: number; startedAt: Date | string; report: string }[]>(
      `select worker_id as id, owner, host, pid, started_at as startedAt, report from worker_heartbeat
     where seen_at > utc_timestamp(3) - interval ? microsecond order by started_at, worker_id`,
      [DEAD_AFTER_MS * 1_000],
    );
  return rows.map(({ id, report, startedAt, ...row }) => ({
    ...row,
    ...(JSON.parse(report) as WorkerReport),
    workerId: id,
    startedAt: utcDate(startedAt),
  }));
}
