import type { OutboxSender } from '../outbox/outbox-sender.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { type Ranges, resolveWholeNumbers } from '../shared/whole-number-options.ts';
import type { SegmentedLog } from './segmented-log.ts';

/** The figures of a drain; each has a default. */
export interface SegmentedLogDrainLimits {
  /** Lanes sent side by side; within a lane one message at a time. Default 16. */
  readonly concurrency: number;
  /** Messages in memory. Default 1,000. */
  readonly window: number;
  /** Bytes of bodies in memory; one more message is taken whatever its size. Default 16 MiB. */
  readonly windowBytes: number;
  /** First ceiling of the pause after a failed send; it doubles with each attempt. Default 200 ms. */
  readonly retryMs: number;
  /** Last ceiling of that pause: how long after the broker is back a message may still wait. Default 30 s. */
  readonly maxRetryMs: number;
  /** Least time between two writings of the cursor: what was sent meanwhile is sent twice after a crash. Default 100 ms. */
  readonly cursorMs: number;
  /** What `close()` gives to the rest when it is not told. Default 10 s. */
  readonly drainMs: number;
}

export const DEFAULT_SEGMENTED_LOG_DRAIN_LIMITS: SegmentedLogDrainLimits = Object.freeze({
  concurrency: 16,
  window: 1_000,
  windowBytes: 16 * 2 ** 20,
  retryMs: 200,
  maxRetryMs: 30_000,
  cursorMs: 100,
  drainMs: 10_000,
});

/** What a drain is made of. Log and sender stay the caller's: `close()` does not close them. */
export interface SegmentedLogDrainOptions extends Partial<SegmentedLogDrainLimits> {
  readonly log: SegmentedLog;
  readonly sender: OutboxSender;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Gives a number in [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
}

const DAY_MS = 86_400_000;
const RANGES: Ranges<SegmentedLogDrainLimits> = {
  concurrency: [1, 1_000],
  window: [1, 50_000],
  windowBytes: [1_024, 2 ** 32],
  retryMs: [1, 60_000],
  maxRetryMs: [1, DAY_MS],
  cursorMs: [0, 60_000],
  drainMs: [0, DAY_MS],
};

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveSegmentedLogDrainLimits = (options: Partial<SegmentedLogDrainLimits>): SegmentedLogDrainLimits => {
  const limits = resolveWholeNumbers(options, DEFAULT_SEGMENTED_LOG_DRAIN_LIMITS, RANGES);
  if (limits.retryMs > limits.maxRetryMs)
    throw new RangeError(`retryMs must not be above maxRetryMs (${limits.maxRetryMs}), it is ${limits.retryMs}`);
  return limits;
};
