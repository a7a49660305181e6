/** Tells relays of the same process that rows were committed, so that they need not wait for their next poll. */
export interface CommitSignal {
  /** Calls `listener` after each COMMIT, synchronously; returns how to stop. */
  onCommitted(listener: () => void): () => void;
}

/** A signal and the one who gives it. */
export class CommitBell implements CommitSignal {
  readonly #listeners = new Set<() => void>();

  onCommitted(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  ring(): void {
    for (const listener of this.#listeners) listener();
  }
}
