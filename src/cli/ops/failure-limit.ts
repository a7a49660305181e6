import type { Clock } from '../../shared/clock.ts';

export interface FailureLimitOptions {
  /** Failures of one address within the window. Default 10. */
  readonly perAddress?: number;
  /** Failures of all addresses within the window. Default 100. */
  readonly inAll?: number;
  /** Default 60,000. */
  readonly windowMs?: number;
}

const MAX_ADDRESSES = 1_000;

/** Counts wrong tokens, in bounded memory. Who has a session already is not asked. */
export class FailureLimit {
  readonly #clock: Clock;
  readonly #perAddress: number;
  readonly #inAll: number;
  readonly #windowMs: number;
  #windowEndsAt = 0;
  #all = 0;
  readonly #failures = new Map<string, number>();

  constructor(clock: Clock, { perAddress = 10, inAll = 100, windowMs = 60_000 }: FailureLimitOptions = {}) {
    this.#clock = clock;
    this.#perAddress = perAddress;
    this.#inAll = inAll;
    this.#windowMs = windowMs;
  }

  /** Milliseconds until this address may try again; 0 when it may now. */
  waitMs(address: string): number {
    this.#turn();
    const isOver = this.#all >= this.#inAll || (this.#failures.get(address) ?? 0) >= this.#perAddress;
    return isOver ? Math.max(1, this.#windowEndsAt - this.#clock.now()) : 0;
  }

  failed(address: string): void {
    this.#turn();
    this.#all += 1;
    if (this.#failures.size < MAX_ADDRESSES || this.#failures.has(address))
      this.#failures.set(address, (this.#failures.get(address) ?? 0) + 1);
  }

  #turn(): void {
    const now = this.#clock.now();
    if (now < this.#windowEndsAt) return;
    this.#windowEndsAt = now + this.#windowMs;
    this.#all = 0;
    this.#failures.clear();
  }
}
