import type { Clock } from '../shared/clock.ts';

/**
 * At most so many calls at once; further ones wait in the order they came. cockatiel's bulkhead keeps a place in the queue
 * for a caller that has given up, and its size is fixed.
 */
export class Bulkhead {
  readonly #max: number;
  readonly #maxQueued: number;
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #active = 0;
  #limit: number;

  constructor(maxConcurrent: number, maxQueued: number, clock: Clock) {
    this.#max = maxConcurrent;
    this.#limit = maxConcurrent;
    this.#maxQueued = maxQueued;
    this.#clock = clock;
  }

  /** Takes a place if one is free; then nobody waits, for a place that is given back goes to who has waited longest. */
  tryEnter(): boolean {
    if (this.#active >= this.#limit) return false;
    this.#active += 1;
    return true;
  }

  /** Waits `maxWaitMs` for a place. False when there was none in time, the queue is full or the signal aborted; never rejects. */
  async enter(maxWaitMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.tryEnter()) return true;
    if (maxWaitMs <= 0 || this.#waiting.size >= this.#maxQueued || signal?.aborted) return false;
    const ended = new AbortController();
    signal?.addEventListener('abort', () => ended.abort(), { once: true, signal: ended.signal });
    const { promise: turn, resolve: grant } = Promise.withResolvers<void>();
    this.#waiting.add(grant);
    await Promise.race([turn, this.#clock.sleep(maxWaitMs, ended.signal).catch(() => {})]);
    ended.abort();
    // A place that was given at the last moment is ours, whatever else happened in it.
    return !this.#waiting.delete(grant);
  }

  /** Gives a place back. */
  leave(): void {
    this.#active -= 1;
    this.#admit();
  }

  /** From now on one at a time, and one more with each `widen()` until the full size is reached again. */
  narrow(): void {
    this.#limit = 1;
  }

  widen(): void {
    if (this.#limit >= this.#max) return;
    this.#limit += 1;
    this.#admit();
  }

  #admit(): void {
    for (const grant of this.#waiting) {
      if (this.#active >= this.#limit) return;
      this.#active += 1;
      this.#waiting.delete(grant);
      grant();
    }
  }
}
