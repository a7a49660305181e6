import type { Clock } from '../shared/clock.ts';
import type { DrainSide } from './drain-side.ts';

/** Writes down how far a drain is: at once when nothing was written for `everyMs`, what comes meanwhile together. */
export class CursorKeeper {
  readonly #side: DrainSide;
  readonly #everyMs: number;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  readonly #stop = new AbortController();
  #isStale = false;
  #running: Promise<void> | undefined;

  constructor(side: DrainSide, everyMs: number, clock: Clock, onFailure: (error: unknown) => void) {
    this.#side = side;
    this.#everyMs = everyMs;
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  /** Progress was made. */
  touch(): void {
    this.#isStale = true;
    this.#running ??= this.#run();
  }

  /** Writes what is left, once; keeps no timer. Never rejects. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#isStale) await this.#store();
  }

  async #run(): Promise<void> {
    await Promise.resolve();
    while (this.#isStale && !this.#stop.signal.aborted) {
      await this.#store();
      await this.#clock.sleep(this.#everyMs, this.#stop.signal).catch(() => {});
    }
    this.#running = undefined;
  }

  async #store(): Promise<void> {
    this.#isStale = false;
    try {
      await this.#side.store();
    } catch (error) {
      this.#isStale = true;
      this.#onFailure(error);
    }
  }
}
