import { SegmentedLogError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { Entry } from './segment-writer.ts';

/** Of one write: more waits for the next. */
const GROUP_BYTES = 4 * 2 ** 20;

interface Waiting extends Entry {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Group commit: entries that came while the last group was on its way to the disk share one write and one sync. */
export class AppendQueue {
  readonly #write: (group: readonly Entry[]) => Promise<void>;
  readonly #onFailure: (error: unknown) => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  /** Bytes of entries that are not written yet. */
  waitingBytes = 0;

  /** `onFailure` is called once for each group that failed, before its entries reject; nothing is written after it. */
  constructor(write: (group: readonly Entry[]) => Promise<void>, onFailure: (error: unknown) => void) {
    this.#write = write;
    this.#onFailure = onFailure;
  }

  /** Rejects with `SegmentedLogError`; after `timeoutMs` too, when nobody knows what will come of it. */
  add(entry: Entry, timeoutMs: number): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ ...entry, resolve, reject });
    });
    this.waitingBytes += entry.payload.length;
    this.#running ??= this.#run();
    return withDeadline(written, timeoutMs, () => {
      const error = new SegmentedLogError(`the message was not kept: the disk did not answer within ${timeoutMs} ms`, {
        reason: 'not-kept',
        acted: 'maybe',
      });
      this.#onFailure(error);
      return error;
    });
  }

  /** Resolves when nothing waits any more. Never rejects. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // The first one waits for those of the same turn of the event loop.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#write(group);
        for (const { resolve } of group) resolve();
      } catch (error) {
        this.#onFailure(error);
        for (const { reject } of group) reject(error);
      }
    }
    this.#running = undefined;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { payload } of this.#waiting) {
      if (count > 0 && bytes + payload.length > GROUP_BYTES) break;
      bytes += payload.length;
      count += 1;
    }
    this.waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }
}
