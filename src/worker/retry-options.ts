/** When a message that could not be worked comes again, and how often before it counts as dead. */
export interface RetryOptions {
  /**
   * Deliveries of one message, the first one counted, whatever made them fail. Keep it below the broker's own limit
   * (`retryMaxTimes` + 1, so 17 unless changed), or the broker decides first. Default 16.
   */
  readonly maxDeliveries: number;
  /** Ceiling of the first backoff in milliseconds; each further one doubles it. Default 1 s. */
  readonly baseMs: number;
  /** Ceiling of every backoff in milliseconds. Default 5 min: sixteen deliveries then outlast an outage of 20 minutes. */
  readonly maxMs: number;
}

export const DEFAULT_RETRY_OPTIONS: RetryOptions = Object.freeze({
  maxDeliveries: 16,
  baseMs: 1_000,
  maxMs: 300_000,
});

/** The longest the broker keeps a message invisible: 12 h (`maxInvisibleTimeMills` of the proxy). */
export const MAX_INVISIBLE_MS = 43_200_000;

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveRetryOptions = (options: Partial<RetryOptions> = {}): RetryOptions => {
  const resolved: RetryOptions = { ...DEFAULT_RETRY_OPTIONS, ...options };
  for (const [option, value] of Object.entries(resolved) as [string, unknown][]) {
    if (!(option in DEFAULT_RETRY_OPTIONS)) throw new RangeError(`retry.${option} is not an option (it is ${String(value)})`);
    if (!Number.isSafeInteger(value) || (value as number) < 1) {
      throw new RangeError(`retry.${option} must be a whole number of at least 1, it is ${String(value)}`);
    }
  }
  if (resolved.maxMs < resolved.baseMs || resolved.maxMs > MAX_INVISIBLE_MS) {
    throw new RangeError(`retry.maxMs must lie between retry.baseMs (${resolved.baseMs}) and 12 h, it is ${resolved.maxMs}`);
  }
  return Object.freeze(resolved);
};

/**
 * Exponential backoff with full jitter: anything from 0 to `min(maxMs, baseMs × 2^(attempt − 1))`, in whole
 * milliseconds. `random` gives a number in [0, 1).
 */
export const fullJitter = (attempt: number, { baseMs, maxMs }: Pick<RetryOptions, 'baseMs' | 'maxMs'>, random: () => number): number =>
  Math.floor(random() * Math.min(maxMs, baseMs * 2 ** Math.max(0, attempt - 1)));
