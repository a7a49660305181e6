import type { Clock } from '../shared/clock.ts';

/** How many calls may begin in a time. */
export interface RateOptions {
  /** Above 0; may be a fraction. */
  readonly maxPerSecond: number;
  /** Calls that may begin at once after a quiet time; in any second at most `maxPerSecond + burst` begin. Default 1: evenly spaced. */
  readonly burst?: number;
}

/** A token bucket, kept as the moment at which it will be full again (the generic cell rate algorithm). */
export class RateLimit {
  readonly #intervalMs: number;
  /** How far ahead of now the bucket may be drained. */
  readonly #toleranceMs: number;
  readonly #clock: Clock;
  #fullAt = 0;
  #lastNow = 0;

  constructor({ maxPerSecond, burst = 1 }: RateOptions, clock: Clock) {
    this.#intervalMs = 1_000 / maxPerSecond;
    this.#toleranceMs = (burst - 1) * this.#intervalMs;
    this.#clock = clock;
  }

  /** Takes the next turn and says how long to wait for it; a turn that is further off than `maxWaitMs` is not taken. */
  reserve(maxWaitMs: number): { readonly taken: boolean; readonly waitMs: number } {
    const now = this.#clock.now();
    // A clock that was set back takes the turns given so far with it.
    this.#fullAt += Math.min(0, now - this.#lastNow);
    this.#lastNow = now;
    const at = Math.max(this.#fullAt, now);
    const waitMs = Math.max(0, Math.ceil(at - this.#toleranceMs - now));
    if (waitMs > maxWaitMs) return { taken: false, waitMs };
    this.#fullAt = at + this.#intervalMs;
    return { taken: true, waitMs };
  }

  /** Gives back a turn in which nothing was sent. */
  giveBack(): void {
    this.#fullAt -= this.#intervalMs;
  }
}
