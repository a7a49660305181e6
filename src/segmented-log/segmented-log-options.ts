import { isAbsolute } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { type Ranges, resolveWholeNumbers } from '../shared/whole-number-options.ts';

/**
 * When what was appended survives more than the process. A killed process loses nothing that was acknowledged under any
 * of them; a machine that loses power, or a kernel that stops, loses:
 * `always`: nothing. An append waits for the disk; appends that come together share one write and one sync.
 * `{ everyMs }`: what was acknowledged in the last `everyMs`, and during the sync then running.
 * `never`: what the system had not written of its own accord, 30 s and more on Linux; a segment that is full is synced.
 */
export type FsyncPolicy = 'always' | 'never' | { readonly everyMs: number };

/** The figures of a log; each has a default. */
export interface SegmentedLogLimits {
  /** Bytes on disk, parked messages included, from which `admit` refuses. Publications in flight at that moment are still taken. Default 1 GiB. */
  readonly maxBytes: number;
  /** Size from which a new segment is begun; a fourth of `maxBytes` at most, since a segment is deleted as a whole. Default 16 MiB. */
  readonly segmentBytes: number;
  /** Largest message, its properties included. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /** Longest an append waits for the disk; after that it rejects, and the log is broken. Default 10 s. */
  readonly appendTimeoutMs: number;
}

export const DEFAULT_SEGMENTED_LOG_LIMITS: SegmentedLogLimits = Object.freeze({
  maxBytes: 2 ** 30,
  segmentBytes: 16 * 2 ** 20,
  maxMessageBytes: 4 * 2 ** 20,
  appendTimeoutMs: 10_000,
});

export interface SegmentedLogOptions extends Partial<SegmentedLogLimits> {
  /** Absolute; made when it is not there. One log of one process at a time. On a disk that outlives the process, or what is in it goes with it. */
  readonly directory: string;
  /** Default `always`. */
  readonly fsync?: FsyncPolicy;
  /** What the publisher does when a committed order's message could not be kept. Default `compensate`. */
  readonly onAppendFailure?: 'compensate' | 'report';
  /**
   * What to do when records that were acknowledged cannot be read any more. `refuse` (default): `start()` rejects and says
   * which. `skip`: goes on behind them; their bytes are kept beside the segment, and reconciliation must find their rows.
   */
  readonly onDamage?: 'refuse' | 'skip';
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
}

const RANGES: Ranges<SegmentedLogLimits> = {
  maxBytes: [64 * 1_024, 2 ** 40],
  segmentBytes: [1_024, 2 ** 30],
  maxMessageBytes: [1_024, 64 * 2 ** 20],
  appendTimeoutMs: [1, 3_600_000],
};

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveSegmentedLogLimits = (options: Partial<SegmentedLogLimits>): SegmentedLogLimits => {
  const limits = resolveWholeNumbers(
    { ...options, segmentBytes: options.segmentBytes ?? defaultSegmentBytes(options.maxBytes) },
    DEFAULT_SEGMENTED_LOG_LIMITS,
    RANGES,
  );
  if (limits.segmentBytes > limits.maxBytes / 4)
    throw new RangeError(`segmentBytes must not be above a fourth of maxBytes (${limits.maxBytes}), it is ${limits.segmentBytes}`);
  return limits;
};

const defaultSegmentBytes = (maxBytes = DEFAULT_SEGMENTED_LOG_LIMITS.maxBytes): number =>
  Math.min(DEFAULT_SEGMENTED_LOG_LIMITS.segmentBytes, Math.floor(maxBytes / 4));

/** Throws `ConfigurationError` for a choice nobody knows and for a place that depends on where the process was started. */
export function checkSegmentedLogChoices({ directory, fsync = 'always', onAppendFailure, onDamage }: SegmentedLogOptions): void {
  const refuse = (option: string, what: string, value: unknown): never => {
    throw new ConfigurationError(`segmented log: ${option} must be ${what}, got ${JSON.stringify(value) ?? String(value)}`);
  };
  if (typeof directory !== 'string' || !isAbsolute(directory)) refuse('directory', 'an absolute path', directory);
  if (fsync !== 'always' && fsync !== 'never' && !isEvery(fsync)) refuse('fsync', 'always, never or { everyMs: 1 to 60000 }', fsync);
  if (onAppendFailure !== undefined && onAppendFailure !== 'compensate' && onAppendFailure !== 'report')
    refuse('onAppendFailure', 'compensate or report', onAppendFailure);
  if (onDamage !== undefined && onDamage !== 'refuse' && onDamage !== 'skip') refuse('onDamage', 'refuse or skip', onDamage);
}

const isEvery = (fsync: unknown): boolean => {
  const everyMs = (fsync as { everyMs?: unknown } | null)?.everyMs;
  return Number.isSafeInteger(everyMs) && (everyMs as number) >= 1 && (everyMs as number) <= 60_000;
};
