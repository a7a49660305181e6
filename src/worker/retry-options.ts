import { FAILURE_CLASSES } from './failure-class.ts';
import type { FailureClass } from './failure-class.ts';

/** How often, and after how long, one kind of failure is tried again. */
export interface Backoff {
  /**
   * Deliveries of one message that were worked and failed, the first one counted, before it counts as dead. Deliveries
   * that came to no attempt because a circuit was open or a limit was reached do not count, but the broker counts them:
   * give the group a `retryMaxTimes` well above (1000), or after 17 deliveries the broker decides first. Default 16.
   */
  readonly maxDeliveries: number;
  /** Ceiling of the first backoff in milliseconds; each further one doubles it. Default 1 s. */
  readonly baseMs: number;
  /** Ceiling of every backoff in milliseconds. Default 5 min: sixteen deliveries then outlast an outage of 20 minutes. */
  readonly maxMs: number;
}

/** When a message that could not be worked comes again, and how often before it counts as dead. */
export interface RetryOptions extends Backoff {
  /** What differs for one class of failure. Default: nothing does. */
  readonly byClass: Readonly<Partial<Record<FailureClass, Partial<Backoff>>>>;
  /**
   * Redeliveries a worker asks for, in per cent of the first deliveries it gets: an outage must not become a storm. What
   * is over budget is not lost, it comes after a backoff of `maxMs`. Default 20.
   */
  readonly budgetPercent: number;
  /** Redeliveries a minute that are always in the budget, however few first deliveries there are. Default 120. */
  readonly budgetPerMinute: number;
}

/** What a listener says about retries. */
export type RetryPolicy = Partial<RetryOptions>;

export const DEFAULT_RETRY_OPTIONS: RetryOptions = Object.freeze({
  maxDeliveries: 16,
  baseMs: 1_000,
  maxMs: 300_000,
  byClass: Object.freeze({}),
  budgetPercent: 20,
  budgetPerMinute: 120,
});

/** The longest the broker keeps a message invisible: 12 h (`maxInvisibleTimeMills` of the proxy). */
export const MAX_INVISIBLE_MS = 43_200_000;

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveRetryOptions = (options: RetryPolicy = {}): RetryOptions => {
  const { byClass, ...figures } = { ...DEFAULT_RETRY_OPTIONS, ...options };
  const { byClass: _, ...defaults } = DEFAULT_RETRY_OPTIONS;
  requireFigures('retry', figures, defaults);
  const classes: Partial<Record<FailureClass, Backoff>> = {};
  for (const [name, changes] of Object.entries(byClass)) {
    if (!FAILURE_CLASSES.includes(name as FailureClass)) {
      throw new RangeError(`retry.byClass.${name} is not a class of failure; they are ${FAILURE_CLASSES.join(', ')}`);
    }
    const { maxDeliveries, baseMs, maxMs } = figures;
    const backoff = { maxDeliveries, baseMs, maxMs, ...changes };
    requireFigures(`retry.byClass.${name}`, backoff, { maxDeliveries, baseMs, maxMs });
    classes[name as FailureClass] = Object.freeze(backoff);
  }
  return Object.freeze({ ...figures, byClass: Object.freeze(classes) });
};

const requireFigures = (of: string, figures: Backoff, known: object): void => {
  for (const [option, value] of Object.entries(figures) as [string, unknown][]) {
    if (!Object.hasOwn(known, option)) throw new RangeError(`${of}.${option} is not an option (it is ${String(value)})`);
    if (!Number.isSafeInteger(value) || (value as number) < 1) {
      throw new RangeError(`${of}.${option} must be a whole number of at least 1, it is ${String(value)}`);
    }
  }
  if (figures.maxMs < figures.baseMs || figures.maxMs > MAX_INVISIBLE_MS) {
    throw new RangeError(`${of}.maxMs must lie between ${of}.baseMs (${figures.baseMs}) and 12 h, it is ${figures.maxMs}`);
  }
};

/** What holds for one class of failure. */
export const backoffFor = (retry: RetryOptions, failure: FailureClass): Backoff => ({ ...retry, ...retry.byClass[failure] });

/**
 * Exponential backoff with full jitter: anything from 0 to `min(maxMs, baseMs × 2^(attempt − 1))`, in whole
 * milliseconds. `random` gives a number in [0, 1).
 */
export const fullJitter = (attempt: number, { baseMs, maxMs }: Pick<Backoff, 'baseMs' | 'maxMs'>, random: () => number): number =>
  Math.floor(random() * Math.min(maxMs, baseMs * 2 ** Math.max(0, attempt - 1)));
