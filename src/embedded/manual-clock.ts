import type { Clock } from '../shared/clock.ts';

interface Sleeper {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

export interface ManualClockOptions {
  /** Milliseconds since the epoch. Default: now, so that messages of clients on the machine's clock are not from another time. */
  readonly start?: number;
  /**
   * Awaited between two steps of `advance`, so that what one moment sets off is over before the next one comes. Default:
   * a few turns of the event loop, enough for requests between a client and a broker of one process. What takes real time,
   * a database for instance, needs a wait of its own here.
   */
  readonly settle?: () => Promise<void>;
}

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  readonly #settle: () => Promise<void>;
  readonly #sleepers = new Set<Sleeper>();
  #now: number;
  #order = 0;

  constructor({ start = Date.now(), settle = fewTurns }: ManualClockOptions = {}) {
    this.#now = start;
    this.#settle = settle;
  }

  now(): number {
    return this.#now;
  }

  /** Sleeps that have neither ended nor been aborted. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (ms <= 0) return resolve();
      const onAbort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const wake = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const sleeper = { at: this.#now + ms, order: this.#order++, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Moves time on, from one sleeper's end to the next. Not for concurrent use. */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`a clock goes forward: advance(${ms})`);
    const until = this.#now + ms;
    await this.#settle();
    for (;;) {
      const next = this.#earliest(until);
      if (next === undefined) break;
      this.#sleepers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
      await this.#settle();
    }
    this.#now = until;
  }

  #earliest(until: number): Sleeper | undefined {
    let earliest: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.at > until) continue;
      if (earliest === undefined || sleeper.at < earliest.at || (sleeper.at === earliest.at && sleeper.order < earliest.order))
        earliest = sleeper;
    }
    return earliest;
  }
}

async function fewTurns(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await new Promise(setImmediate);
}
