import type { Clock } from '../shared/clock.ts';
import type { RetryOptions } from './retry-options.ts';

/** Minutes' worth of the floor that an idle worker keeps for a burst. */
const BURST_MINUTES = 1;

/**
 * How many redeliveries one worker may ask for at its ordinary backoff: a token bucket, filled by a part of the first
 * deliveries and by a trickle. Over it a message comes later, never not at all.
 */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #perDelivery: number;
  readonly #perMs: number;
  readonly #capacity: number;
  #tokens: number;
  #filledAt: number;

  constructor({ budgetPercent, budgetPerMinute }: Pick<RetryOptions, 'budgetPercent' | 'budgetPerMinute'>, clock: Clock) {
    this.#clock = clock;
    this.#perDelivery = budgetPercent / 100;
    this.#perMs = budgetPerMinute / 60_000;
    this.#capacity = Math.max(1, budgetPerMinute * BURST_MINUTES);
    this.#tokens = this.#capacity;
    this.#filledAt = clock.now();
  }

  /** A message came; only its first delivery fills the bucket. */
  delivered(deliveryAttempt: number): void {
    if (deliveryAttempt <= 1) this.#tokens = Math.min(this.#capacity, this.#tokens + this.#perDelivery);
  }

  /** Whether one more redelivery is in the budget; takes it if so. */
  spend(): boolean {
    const now = this.#clock.now();
    this.#tokens = Math.min(this.#capacity, this.#tokens + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
