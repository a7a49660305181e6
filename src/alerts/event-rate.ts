import type { Clock } from '../shared/clock.ts';

/** Subjects watched at once; the one that was quiet longest is forgotten first. */
const MAX_SUBJECTS = 1_000;

/** Says when something has happened often enough within a sliding window, per subject. Memory is bounded. */
export class EventRate {
  readonly #times = new Map<string, number[]>();
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #clock: Clock;

  constructor(limit: number, windowMs: number, clock: Clock) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#clock = clock;
  }

  /** Counts one; the number within the window when that reaches the limit, which starts a new count. */
  hit(subject: string): number | undefined {
    const now = this.#clock.now();
    const times = (this.#times.get(subject) ?? []).filter((at) => at > now - this.#windowMs);
    times.push(now);
    this.#times.delete(subject);
    if (times.length >= this.#limit) return times.length;
    this.#times.set(subject, times);
    if (this.#times.size > MAX_SUBJECTS) this.#times.delete(this.#times.keys().next().value!);
    return undefined;
  }
}
