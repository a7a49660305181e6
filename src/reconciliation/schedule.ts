import { Cron } from 'croner';
import { ClosedError, ConfigurationError } from '../errors.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { endsWithin } from '../shared/deadline.ts';
import { messageOf } from '../shared/error-message.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';

/** Something to be run at certain moments. */
export interface ScheduledJob {
  /** For log lines. */
  readonly name: string;
  /** A cron expression of five or six words; its time is UTC, for all hosts to mean the same moments. */
  readonly cron: string;
  /** `tick` is the moment meant, in ISO 8601: every process of the pool says the same, and one of them is to run it. */
  readonly run: (tick: string, signal: AbortSignal) => Promise<void>;
}

export interface ScheduleOptions {
  readonly jobs: readonly ScheduledJob[];
  readonly logger?: Logger | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

export interface Schedule {
  /** Begins nothing more; what runs has `deadlineMs` (default 30,000) to end before its signal aborts. Idempotent. */
  close(deadlineMs?: number): Promise<void>;
}

/** Timers do not reach farther than 24 days, and clocks are set. */
const MAX_SLEEP_MS = 3_600_000;
const LET_GO_MS = 5_000;

/**
 * Runs each job at its moments; a job that takes longer than its pause misses some and never runs beside itself here. A
 * job that fails is logged and run again at its next moment. Throws `ConfigurationError` for an expression that means nothing.
 */
export const startSchedule = ({ jobs, logger = silentLogger, clock = systemClock }: ScheduleOptions): Schedule => {
  const plans = jobs.map((job) => ({ job, plan: planOf(job) }));
  const stop = new AbortController();
  const abandon = new AbortController();
  const follow = async (job: ScheduledJob, plan: Cron): Promise<void> => {
    let from = clock.now();
    for (;;) {
      const next = plan.nextRun(new Date(from));
      if (next === null) return;
      while (clock.now() < next.getTime()) await clock.sleep(Math.min(next.getTime() - clock.now(), MAX_SLEEP_MS), stop.signal);
      try {
        await job.run(next.toISOString(), abandon.signal);
      } catch (error) {
        if (stop.signal.aborted) return;
        logger.error({ job: job.name, tick: next, error }, 'scheduled reconciliation failed; it goes on at its next moment');
      }
      stop.signal.throwIfAborted();
      from = Math.max(next.getTime(), clock.now());
    }
  };
  const following = Promise.allSettled(plans.map(({ job, plan }) => follow(job, plan)));
  let closing: Promise<void> | undefined;
  return {
    close: (deadlineMs = 30_000) =>
      (closing ??= (async () => {
        stop.abort(new ClosedError('the schedule is closing'));
        if (await endsWithin(following, deadlineMs, clock)) return;
        abandon.abort(new ClosedError('the schedule is closing'));
        if (!(await endsWithin(following, LET_GO_MS, clock))) logger.warn({}, 'a scheduled reconciliation is left running');
      })()),
  };
};

const planOf = ({ name, cron }: ScheduledJob): Cron => {
  try {
    return new Cron(cron, { timezone: 'UTC', paused: true });
  } catch (cause) {
    throw new ConfigurationError(`schedule of "${name}": ${JSON.stringify(cron)} is no cron expression: ${messageOf(cause)}`, { cause });
  }
};
