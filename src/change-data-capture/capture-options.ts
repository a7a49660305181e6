import { ConfigurationError } from '../errors.ts';
import { type Ranges, resolveWholeNumbers } from '../shared/whole-number-options.ts';
import type { CaptureFrom } from './change-log.ts';

/** The figures of a capture; each has a default. */
export interface CaptureLimits {
  /** Transactions sent together; the position is written down behind them. Default 500. */
  readonly batch: number;
  /** Messages sent side by side; of one topic and first key one at a time. Default 16. */
  readonly concurrency: number;
  /** Row changes read ahead of what is sent; the server waits then. Default 5,000. */
  readonly readAheadRows: number;
  /** Row changes of one transaction, which are held in memory until its COMMIT. Default 100,000. */
  readonly maxTransactionRows: number;
  /** First ceiling of the pause after a failed send or a lost connection; it doubles with each attempt. Default 200 ms. */
  readonly retryMs: number;
  /** Last ceiling of that pause, and how often a refused message is tried that is held. Default 30 s. */
  readonly maxRetryMs: number;
  /** How often a process that stands by tries for its turn, and so how late it takes over. Default 1 s. */
  readonly standbyMs: number;
  /** How often a position is written down while only others' transactions come. Default 5 s. */
  readonly savePositionMs: number;
  /** How often an idle server shows that it is there; after three times that in silence the connection is given up. Default 5 s. */
  readonly heartbeatMs: number;
  /** What `close()` gives sends in progress when it is not told. Default 10 s. */
  readonly drainMs: number;
}

export const DEFAULT_CAPTURE_LIMITS: CaptureLimits = Object.freeze({
  batch: 500,
  concurrency: 16,
  readAheadRows: 5_000,
  maxTransactionRows: 100_000,
  retryMs: 200,
  maxRetryMs: 30_000,
  standbyMs: 1_000,
  savePositionMs: 5_000,
  heartbeatMs: 5_000,
  drainMs: 10_000,
});

const DAY_MS = 86_400_000;
const RANGES: Ranges<CaptureLimits> = {
  batch: [1, 100_000],
  concurrency: [1, 1_000],
  readAheadRows: [1, 10_000_000],
  maxTransactionRows: [1, 100_000_000],
  retryMs: [1, 60_000],
  maxRetryMs: [1, DAY_MS],
  standbyMs: [10, 3_600_000],
  savePositionMs: [0, DAY_MS],
  heartbeatMs: [100, 600_000],
  drainMs: [0, DAY_MS],
};

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveCaptureLimits = (options: Partial<CaptureLimits>): CaptureLimits => {
  const limits = resolveWholeNumbers(options, DEFAULT_CAPTURE_LIMITS, RANGES);
  if (limits.retryMs > limits.maxRetryMs)
    throw new RangeError(`retryMs must not be above maxRetryMs (${limits.maxRetryMs}), it is ${limits.retryMs}`);
  return limits;
};

/**
 * What a message means that the broker refuses for good. `hold`: everything waits, and an alarm says so, until the broker
 * takes it. `park`: it is put aside for a person, and later ones overtake it.
 */
export type RefusedMessage = 'hold' | 'park';

/** Throws `ConfigurationError` for a choice nobody knows. */
export const resolveRefused = (given: RefusedMessage | undefined): RefusedMessage => {
  if (given === undefined) return 'hold';
  if (given !== 'hold' && given !== 'park')
    throw new ConfigurationError(`changeDataCapture: refused must be hold or park, got ${String(given)}`);
  return given;
};

const NAME = /^[\w.-]{1,100}$/;

/** Throws `ConfigurationError` for a name that is none. */
export const resolveCaptureName = (given: string): string => {
  if (typeof given !== 'string' || !NAME.test(given))
    throw new ConfigurationError(`changeDataCapture: name ${JSON.stringify(given)} must be 1–100 of A–Z a–z 0–9 . _ -`);
  return given;
};

/** There is no default: what was committed before the first start is sent or not, and only the user knows. */
export const resolveFrom = (from: CaptureFrom | undefined): CaptureFrom => {
  if (from === 'now' || from === 'oldest') return from;
  const isPlace = typeof from === 'object' && from !== null && typeof from.file === 'string' && from.file !== '';
  if (isPlace && Number.isSafeInteger(from.position) && from.position >= 4)
    return Object.freeze({ file: from.file, position: from.position });
  throw new ConfigurationError(
    `changeDataCapture: from must say where to begin at the very first start: 'now', 'oldest' or { file, position } between two transactions, got ${JSON.stringify(from) ?? 'nothing'}`,
  );
};
