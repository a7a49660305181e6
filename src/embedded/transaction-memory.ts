import type { Half } from './half-messages.ts';

interface RememberedHalf {
  readonly half: Half;
  readonly expiresAt: number;
}

/** Most records of one transaction; the oldest goes first. */
const MAX_RECORDS = 15;

/**
 * What the proxy remembers of halves it has seen: one record for the send and one for each check-back that found a
 * producer. An END uses up the newest. In memory only: a restart forgets all of it (`TransactionDataManager`).
 */
export class TransactionMemory {
  readonly #records = new Map<string, RememberedHalf[]>();

  /** Transactions remembered. */
  get size(): number {
    return this.#records.size;
  }

  remember(half: Half, expiresAt: number): void {
    const key = keyOf(half.message.topic, half.message.messageId);
    const records = this.#records.get(key);
    if (records === undefined) this.#records.set(key, [{ half, expiresAt }]);
    else {
      records.push({ half, expiresAt });
      if (records.length > MAX_RECORDS) records.shift();
    }
  }

  /** The newest record that has not expired, which is gone then. */
  take(topic: string, transactionId: string, now: number): Half | undefined {
    const key = keyOf(topic, transactionId);
    const records = this.#records.get(key);
    if (records === undefined) return undefined;
    let taken = records.pop();
    while (taken !== undefined && taken.expiresAt < now) taken = records.pop();
    if (records.length === 0) this.#records.delete(key);
    return taken?.half;
  }

  /** Lets go of what has expired. */
  sweep(now: number): void {
    for (const [key, records] of this.#records) {
      const live = records.filter((record) => record.expiresAt >= now);
      if (live.length === 0) this.#records.delete(key);
      else if (live.length < records.length) this.#records.set(key, live);
    }
  }

  forgetAll(): void {
    this.#records.clear();
  }
}

function keyOf(topic: string, transactionId: string): string {
  return `${topic}@${transactionId}`;
}
