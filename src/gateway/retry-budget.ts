import type { Clock } from '../shared/clock.ts';

/** How much of the traffic to an institution may be retries that the gateway makes by itself. */
export interface RetryBudgetOptions {
  /** Retries per first attempt, over the window; 0 to 1. Default 0.2. */
  readonly retryShare: number;
  /** Allowed on top of the share, so that little traffic can retry at all. Default 10. */
  readonly minPerSecond: number;
  /** Default 10,000. */
  readonly windowMs: number;
}

export const DEFAULT_RETRY_BUDGET: RetryBudgetOptions = Object.freeze({ retryShare: 0.2, minPerSecond: 10, windowMs: 10_000 });

/** Merges, checks and freezes. Throws `RangeError` naming the option and its value. */
export function resolveRetryBudget(of: string, options: Partial<RetryBudgetOptions>): RetryBudgetOptions {
  const budget = { ...DEFAULT_RETRY_BUDGET, ...options };
  const { retryShare, minPerSecond, windowMs } = budget;
  if (!(retryShare >= 0 && retryShare <= 1)) throw new RangeError(`${of}.retryShare must be from 0 to 1, got ${retryShare}`);
  if (!(minPerSecond >= 0 && Number.isFinite(minPerSecond)))
    throw new RangeError(`${of}.minPerSecond must be at least 0, got ${minPerSecond}`);
  if (!Number.isInteger(windowMs) || windowMs < SLICES || windowMs > 2 ** 31 - 1)
    throw new RangeError(`${of}.windowMs must be a whole number from ${SLICES} to 2147483647, got ${windowMs}`);
  return Object.freeze(budget);
}

const SLICES = 10;

/** Counts calls and retries over a sliding window, so that an outage does not multiply the traffic that meets it. */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  readonly #clock: Clock;
  readonly #slices = Array.from({ length: SLICES }, () => ({ nth: -1, calls: 0, retries: 0 }));

  constructor(options: RetryBudgetOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  countCall(): void {
    this.#slice().calls += 1;
  }

  /** Takes one retry from the budget; false when it is used up. */
  takeRetry(): boolean {
    const now = this.#slice();
    let calls = 0;
    let retries = 0;
    for (const slice of this.#slices) {
      if (slice.nth <= now.nth - SLICES || slice.nth > now.nth) continue;
      calls += slice.calls;
      retries += slice.retries;
    }
    const { retryShare, minPerSecond, windowMs } = this.#options;
    if (retries + 1 > calls * retryShare + (minPerSecond * windowMs) / 1_000) return false;
    now.retries += 1;
    return true;
  }

  #slice(): { nth: number; calls: number; retries: number } {
    const nth = Math.floor(this.#clock.now() / (this.#options.windowMs / SLICES));
    const slice = this.#slices[nth % SLICES]!;
    if (slice.nth !== nth) Object.assign(slice, { nth, calls: 0, retries: 0 });
    return slice;
  }
}
