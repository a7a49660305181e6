import type { RefusalCode } from './refusal.ts';

/** An END as it arrived. */
export interface EndedTransaction {
  readonly topic: string;
  readonly messageId: string;
  readonly resolution: 'COMMIT' | 'ROLLBACK' | 'UNKNOWN';
  /** Whether it answers a check-back. */
  readonly isAnswer: boolean;
}

/** How sends fail. `stored`: the message is kept nevertheless, and only the answer is a failure. */
export interface SendRejection {
  readonly code?: RefusalCode;
  readonly message?: string;
  readonly stored?: boolean;
  /** How many sends; default all of them until `restore`. */
  readonly times?: number;
}

/** What goes wrong on purpose. Nothing by default. */
export class FaultSwitches {
  readonly #lostEnds = new Set<(end: EndedTransaction) => boolean>();
  #lostNextEnds = 0;
  #duplicateDeliveries = 0;
  #duplicateChecks = 0;
  #rejection: (SendRejection & { left: number }) | undefined;
  opDelayMs = 0;
  latencyMs = 0;

  loseNextEnds(times: number): void {
    this.#lostNextEnds += times;
  }

  loseEnds(predicate: (end: EndedTransaction) => boolean): () => void {
    this.#lostEnds.add(predicate);
    return () => void this.#lostEnds.delete(predicate);
  }

  isEndLost(end: EndedTransaction): boolean {
    if (this.#lostNextEnds > 0) {
      this.#lostNextEnds -= 1;
      return true;
    }
    for (const predicate of this.#lostEnds) if (predicate(end)) return true;
    return false;
  }

  duplicateDeliveries(times: number): void {
    this.#duplicateDeliveries += times;
  }

  takeDuplicateDelivery(): boolean {
    if (this.#duplicateDeliveries === 0) return false;
    this.#duplicateDeliveries -= 1;
    return true;
  }

  duplicateChecks(times: number): void {
    this.#duplicateChecks += times;
  }

  takeDuplicateCheck(): boolean {
    if (this.#duplicateChecks === 0) return false;
    this.#duplicateChecks -= 1;
    return true;
  }

  rejectSends(rejection: SendRejection): void {
    this.#rejection = { ...rejection, left: rejection.times ?? Number.POSITIVE_INFINITY };
  }

  /** The failure this send is to meet. */
  takeRejection(): SendRejection | undefined {
    if (this.#rejection === undefined || this.#rejection.left <= 0) return undefined;
    this.#rejection.left -= 1;
    return this.#rejection;
  }

  /** Ends every fault. */
  restore(): void {
    this.#lostEnds.clear();
    this.#lostNextEnds = 0;
    this.#duplicateDeliveries = 0;
    this.#duplicateChecks = 0;
    this.#rejection = undefined;
    this.opDelayMs = 0;
    this.latencyMs = 0;
  }
}
