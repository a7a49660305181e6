import { ConfigurationError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { type Ranges, resolveWholeNumbers } from '../shared/whole-number-options.ts';
import type { CommitSignal } from './commit-signal.ts';
import type { OutboxSender } from './outbox-sender.ts';
import type { OutboxStore, ParkedLane } from './outbox-store.ts';

/** The figures of a relay; each has a default. */
export interface OutboxRelayLimits {
  /** Messages claimed at once. Default 100. */
  readonly batch: number;
  /** Lanes sent side by side; within a lane one message at a time. Default 16. */
  readonly concurrency: number;
  /** How long a claimed message is left alone by other relays; nothing is sent in its last fifth. Default 60 s. */
  readonly leaseMs: number;
  /** First ceiling of the pause between two looks that find nothing; it doubles, and the pause is random below it. Default 50 ms. */
  readonly minPollMs: number;
  /** Last ceiling of that pause: how late a message of another process may leave an idle relay. Default 2 s. */
  readonly maxPollMs: number;
  /** First ceiling of the pause after a failed send; it doubles with each attempt. Default 200 ms. */
  readonly retryMs: number;
  /** Last ceiling of that pause: how long after the broker is back a message may still wait. Default 30 s. */
  readonly maxRetryMs: number;
  /** How long the row of a sent message is kept, from 1 min: longer than the publisher's `inDoubtTimeoutMs`. Default 1 h. */
  readonly keepSentMs: number;
  /** Between two clean-ups, ±50 % at random. Default 1 min. */
  readonly cleanupMs: number;
  /** Rows deleted in one statement. Default 1,000. */
  readonly cleanupBatch: number;
  /** What `close()` gives the batch in progress when it is not told. Default 10 s. */
  readonly drainMs: number;
}

export const DEFAULT_OUTBOX_RELAY_LIMITS: OutboxRelayLimits = Object.freeze({
  batch: 100,
  concurrency: 16,
  leaseMs: 60_000,
  minPollMs: 50,
  maxPollMs: 2_000,
  retryMs: 200,
  maxRetryMs: 30_000,
  keepSentMs: 3_600_000,
  cleanupMs: 60_000,
  cleanupBatch: 1_000,
  drainMs: 10_000,
});

/** What a relay is made of. Store and sender stay the caller's: `close()` does not close them. */
export interface OutboxRelayOptions extends Partial<OutboxRelayLimits> {
  readonly store: OutboxStore;
  readonly sender: OutboxSender;
  /** Of publishers in this process. Default: none, polling alone. */
  readonly commits?: CommitSignal | undefined;
  /** For people who look at leases. Default: host and process id. */
  readonly name?: string;
  /** What a parked message means for the later ones of its lane. Default `hold`: they wait for a person. */
  readonly parkedLane?: ParkedLane;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Gives a number in [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
}

const DAY_MS = 86_400_000;
const RANGES: Ranges<OutboxRelayLimits> = {
  batch: [1, 10_000],
  concurrency: [1, 1_000],
  leaseMs: [1_000, DAY_MS],
  minPollMs: [1, 60_000],
  maxPollMs: [1, 3_600_000],
  retryMs: [1, 60_000],
  maxRetryMs: [1, DAY_MS],
  keepSentMs: [60_000, 365 * DAY_MS],
  cleanupMs: [100, DAY_MS],
  cleanupBatch: [1, 100_000],
  drainMs: [0, DAY_MS],
};

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveOutboxRelayLimits = (options: Partial<OutboxRelayLimits>): OutboxRelayLimits => {
  const limits = resolveWholeNumbers(options, DEFAULT_OUTBOX_RELAY_LIMITS, RANGES);
  for (const [low, high] of [
    ['minPollMs', 'maxPollMs'],
    ['retryMs', 'maxRetryMs'],
  ] as const) {
    if (limits[low] > limits[high]) throw new RangeError(`${low} must not be above ${high} (${limits[high]}), it is ${limits[low]}`);
  }
  return limits;
};

/** Throws `ConfigurationError` for a policy nobody knows. */
export const resolveParkedLane = (given: ParkedLane | undefined): ParkedLane => {
  if (given === undefined) return 'hold';
  if (given !== 'hold' && given !== 'pass')
    throw new ConfigurationError(`outbox relay: parkedLane must be hold or pass, got ${String(given)}`);
  return given;
};
