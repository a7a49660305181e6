import { BehaviorSubject } from 'rxjs';
import type { Clock } from '../shared/clock.ts';

/**
 * How far one listener may go while its institution is not to be called. Deliveries that were refused a call are held
 * in the worker under their leases, which costs no delivery attempt; while there are such, or the circuit is open, no
 * more are received, and while it is half-open one at a time. Whoever finds the institution answering wakes the others.
 */
export class CallPause {
  /** Deliveries that may be in the worker at most, now and at every change: none more, one, or as many as there are places. */
  readonly limit = new BehaviorSubject(Number.POSITIVE_INFINITY);
  readonly #clock: Clock;
  #held = 0;
  #circuit: 'closed' | 'open' | 'half-open' = 'closed';
  #wake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the gateway has said so. */
  get isCircuitOpen(): boolean {
    return this.#circuit === 'open';
  }

  /** A delivery is held from now on, also while it asks again; call what this returns once it is not any more. */
  hold(): () => void {
    this.#held += 1;
    this.#tell();
    return () => {
      this.#held -= 1;
      this.#tell();
    };
  }

  /** Resolves after `ms`, earlier when there is news of the institution or `signal` aborts. Never rejects. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, AbortSignal.any([this.#wake.signal, signal])).catch(() => {});
  }

  /** The institution answers again. */
  answered(): void {
    if (this.#held > 0) this.#wakeAll();
  }

  /** The gateway says how its circuit stands, for those that have not met it yet. */
  circuitIs(state: 'closed' | 'open' | 'half-open'): void {
    this.#circuit = state;
    this.#tell();
    if (state !== 'open') this.#wakeAll();
  }

  #wakeAll(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  #tell(): void {
    const isShut = this.#held > 0 || this.#circuit === 'open';
    const limit = isShut ? 0 : this.#circuit === 'half-open' ? 1 : Number.POSITIVE_INFINITY;
    if (limit !== this.limit.value) this.limit.next(limit);
  }
}
