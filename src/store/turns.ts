/** A few permits, given in the order they were asked for. */
export class Turns {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(permits: number) {
    this.#free = permits;
  }

  /** Resolves with how to give the permit back, which is idempotent. Rejects after `timeoutMs`, or with the signal's reason. */
  take(timeoutMs: number, signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(give);
      };
      const give = (): void => {
        end();
        this.#free -= 1;
        let isBack = false;
        resolve(() => {
          if (isBack) return;
          isBack = true;
          this.#free += 1;
          this.#next();
        });
      };
      const onAbort = (): void => {
        end();
        reject(signal?.reason as Error);
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`none was ready within ${timeoutMs} ms`));
      }, timeoutMs);
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(give);
      this.#next();
    });
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first !== undefined && this.#free > 0) first();
  }
}
