/** A bound on how much is worked at once. */
export class Places {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Takes at least one place and at most `most`, waiting for the first; none, 0, once `signal` has aborted. */
  async take(most: number, signal: AbortSignal): Promise<number> {
    while (this.#free === 0 && !signal.aborted) await this.#change(signal);
    if (signal.aborted) return 0;
    const taken = Math.min(most, this.#free);
    this.#free -= taken;
    return taken;
  }

  giveBack(count = 1): void {
    this.#free += count;
    for (const wake of this.#waiting) wake();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}
