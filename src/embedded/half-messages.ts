import type { IncomingMessage } from './stored-message.ts';

/** One copy of a half message. Each check-back round stores a new copy under a new offset; the old one is done with. */
export interface Half {
  readonly offset: number;
  readonly message: IncomingMessage;
  /** Rounds asked so far. */
  readonly round: number;
  readonly storedAt: number;
  /** The first copy's offset, on copies that were put back because the producer asked for immunity. */
  readonly originalOffset?: number | undefined;
}

export interface ScanSettings {
  readonly transactionTimeOutMs: number;
  readonly transactionCheckMax: number;
  readonly reservedMs: number;
}

/** What a scan decided about one half. `copy` replaces `half` in the queue. */
export type ScanDecision =
  | { readonly kind: 'ask'; readonly half: Half; readonly copy: Half }
  | { readonly kind: 'put back'; readonly half: Half; readonly copy: Half }
  | { readonly kind: 'park'; readonly half: Half }
  | { readonly kind: 'drop'; readonly half: Half };

/**
 * The queue of half messages, and the records (*ops*) that say which of them are done with. An ended half stays in the
 * queue until its op is written, which happens in batches: until then a scan asks about it, and after a crash too.
 */
export class HalfMessages {
  readonly #halves = new Map<number, Half>();
  readonly #unwrittenOps = new Set<number>();
  /** Ended first copies of halves with immunity: their later copies are told by them. */
  readonly #endedOriginals = new Set<number>();
  #nextOffset = 0;

  get size(): number {
    return this.#halves.size;
  }

  get unwrittenOps(): number {
    return this.#unwrittenOps.size;
  }

  /** Oldest copy first; ended ones whose op is not written yet are among them. */
  all(): readonly Half[] {
    return [...this.#halves.values()];
  }

  isEnded(half: Half): boolean {
    return this.#unwrittenOps.has(half.offset);
  }

  store(message: IncomingMessage, storedAt: number, round = 0): Half {
    const half = { offset: this.#nextOffset, message, round, storedAt };
    this.put(half);
    return half;
  }

  put(half: Half): void {
    this.#halves.set(half.offset, half);
    this.#nextOffset = Math.max(this.#nextOffset, half.offset + 1);
  }

  /** Notes that this copy is decided; to be written with the next batch. */
  end(half: Half): void {
    this.#unwrittenOps.add(half.offset);
    if (half.message.checkImmunityMs !== undefined) this.#endedOriginals.add(half.offset);
  }

  /** Writes the batch and gives the offsets that are done with. */
  writeOps(): readonly number[] {
    const offsets = [...this.#unwrittenOps];
    this.#unwrittenOps.clear();
    this.remove(offsets);
    return offsets;
  }

  remove(offsets: readonly number[]): void {
    for (const offset of offsets) this.#halves.delete(offset);
  }

  /**
   * One scan in the order of `TransactionalMessageServiceImpl.check`: it ends at the first half that is too young to be
   * asked about, so that one with a `bornAt` in the past of its neighbours waits for them. The queue is changed as decided.
   */
  scan(now: number, settings: ScanSettings): readonly ScanDecision[] {
    const decisions: ScanDecision[] = [];
    for (const half of this.#halves.values()) {
      const decision = this.#decide(half, now, settings);
      if (decision === 'too young') break;
      decisions.push(decision);
    }
    for (const decision of decisions) {
      this.#halves.delete(decision.half.offset);
      // An op for the old copy has nothing left to remove.
      this.#unwrittenOps.delete(decision.half.offset);
      if ('copy' in decision) this.put(decision.copy);
    }
    return decisions;
  }

  #decide(half: Half, now: number, settings: ScanSettings): ScanDecision | 'too young' {
    const age = now - half.message.bornAt;
    if (half.round >= settings.transactionCheckMax || age > settings.reservedMs) return { kind: 'park', half };
    if (half.storedAt >= now) return 'too young';
    const immunityMs = half.message.checkImmunityMs;
    if (immunityMs !== undefined && age <= immunityMs) {
      const original = half.originalOffset;
      if (original !== undefined && this.#endedOriginals.delete(original)) return { kind: 'drop', half };
      return { kind: 'put back', half, copy: { ...this.#copy(half, now), originalOffset: original ?? half.offset } };
    }
    // A producer whose clock is ahead is asked at once: its half seems to come from the future.
    if (immunityMs === undefined && age >= 0 && age <= settings.transactionTimeOutMs) return 'too young';
    return { kind: 'ask', half, copy: this.#copy(half, now) };
  }

  #copy(half: Half, now: number): Half {
    const offset = this.#nextOffset;
    this.#nextOffset += 1;
    return { ...half, offset, round: half.round + 1, storedAt: now };
  }
}
