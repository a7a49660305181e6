import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../src/shared/clock.ts';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that stands still while something real goes on, such as an exchange on a socket, and else skips to the next sleeper. */
export class SkippingClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        at: this.#now + Math.max(0, ms),
        wake: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Lets `ms` go by, or less when `isDone`; `isBusy` says that something real goes on. */
  async pass(ms: number, isBusy: () => boolean, isDone: () => boolean = () => false): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await quiet(isBusy);
      if (isDone()) return;
      let at = Number.POSITIVE_INFINITY;
      for (const sleeper of this.#sleepers) at = Math.min(at, sleeper.at);
      this.#now = Math.max(this.#now, Math.min(at, until));
      if (at > until) return;
      for (const sleeper of this.#sleepers) {
        if (sleeper.at > this.#now) continue;
        this.#sleepers.delete(sleeper);
        sleeper.wake();
      }
    }
  }
}

/** Everything that can go on without time has gone on, and nothing real is under way. */
async function quiet(isBusy: () => boolean): Promise<void> {
  for (let turns = 0; turns < 3;) {
    await setImmediate();
    turns = isBusy() ? 0 : turns + 1;
  }
}
