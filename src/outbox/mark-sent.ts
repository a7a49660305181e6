import type { ClaimedMessage } from './outbox-store.ts';

/**
 * Writes down what was sent. Messages that are sent while one statement runs share the next, so that a crash leaves few
 * that were sent and not marked, and a fast broker does not cost a statement a message.
 */
export class SentMarks {
  readonly #write: (messages: readonly ClaimedMessage[]) => Promise<void>;
  #waiting: ClaimedMessage[] = [];
  #running: Promise<void> | undefined;

  /** `write` must not reject. */
  constructor(write: (messages: readonly ClaimedMessage[]) => Promise<void>) {
    this.#write = write;
  }

  add(message: ClaimedMessage): void {
    this.#waiting.push(message);
    this.#running ??= this.#run();
  }

  /** Resolves when all that was added has been written. */
  async written(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // The first one waits for those that are sent in the same turn.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#write(batch);
    }
    this.#running = undefined;
  }
}
