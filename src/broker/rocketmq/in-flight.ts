/** Work under way that a `close()` waits for: the client's own `shutdown()` does not. */
export class InFlight {
  readonly #pending = new Set<Promise<unknown>>();

  get size(): number {
    return this.#pending.size;
  }

  /** Gives the same promise back. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work);
    const done = (): void => void this.#pending.delete(work);
    work.then(done, done);
    return work;
  }

  /** Resolves when nothing is under way any more, what was begun meanwhile included, or after `ms`. Never rejects. */
  async drain(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let isLate = false;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        isLate = true;
        resolve();
      }, ms);
    });
    while (this.#pending.size > 0 && !isLate) await Promise.race([Promise.allSettled(this.#pending), late]);
    clearTimeout(timer);
  }
}
