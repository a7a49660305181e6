/** Gives the turn back; the next one that waits for the key takes it. */
export type EndTurn = () => void;

/**
 * Turns by key: one at a time has the turn of a key, whoever comes meanwhile waits, in the order of coming, and at most
 * `maxWaiting` wait over all keys. Knows nothing of other processes.
 */
export class KeyTurns {
  readonly #maxWaiting: number;
  readonly #lines = new Map<string, (() => void)[]>();
  #waiting = 0;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /** Keys somebody has the turn of. */
  get size(): number {
    return this.#lines.size;
  }

  /** `undefined` when too many wait already. Rejects with the signal's reason when it aborts first. */
  async take(key: string, signal: AbortSignal): Promise<EndTurn | undefined> {
    signal.throwIfAborted();
    const line = this.#lines.get(key);
    if (line === undefined) {
      this.#lines.set(key, []);
    } else {
      if (this.#waiting >= this.#maxWaiting) return undefined;
      await this.#untilCalled(line, signal);
    }
    return () => this.#end(key);
  }

  async #untilCalled(line: (() => void)[], signal: AbortSignal): Promise<void> {
    const called = Promise.withResolvers<void>();
    const leave = (): void => {
      const place = line.indexOf(called.resolve);
      if (place < 0) return;
      line.splice(place, 1);
      called.reject(signal.reason);
    };
    line.push(called.resolve);
    this.#waiting += 1;
    signal.addEventListener('abort', leave, { once: true });
    try {
      await called.promise;
    } finally {
      this.#waiting -= 1;
      signal.removeEventListener('abort', leave);
    }
  }

  #end(key: string): void {
    const next = this.#lines.get(key)?.shift();
    if (next === undefined) this.#lines.delete(key);
    else next();
  }
}
