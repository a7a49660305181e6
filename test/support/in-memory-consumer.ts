import type { Consumer, Delivery } from '../../src/broker/consumer.ts';
import type { ReceivedMessage } from '../../src/broker/message.ts';
import { BrokerError } from '../../src/errors.ts';
import type { Clock } from '../../src/shared/clock.ts';

interface Stored {
  readonly message: Omit<ReceivedMessage, 'deliveryAttempt'>;
  attempts: number;
  visibleAt: number;
  /** Changes at every delivery and postponement; an older one is refused. */
  receipt: number;
}

export interface InMemoryConsumerOptions {
  readonly clock: Clock;
  readonly topic?: string;
  readonly group?: string;
  /** Deliveries before a message moves to `deadLetters`. Default 17, as RocketMQ's `retryMaxTimes` 16. */
  readonly maxDeliveries?: number;
  /** Default 5 s. */
  readonly longPollMs?: number;
  /** How long an acknowledgement or a postponement takes. Default 0. */
  readonly requestMs?: number;
}

/**
 * A consumer group of one topic in memory, as the broker behaves towards one worker or several: invisible durations,
 * delivery attempts, a new receipt at every postponement, receipts that expire, `%DLQ%` after the last delivery. Its
 * requests can be made to fail (`fail`). It keeps no timer while nobody receives.
 */
export class InMemoryConsumer implements Consumer {
  readonly topic: string;
  readonly group: string;
  readonly acked: string[] = [];
  readonly deadLetters: string[] = [];
  /** Every delivery and postponement, in order. */
  readonly deliveries: { messageId: string; attempt: number; at: number }[] = [];
  readonly postponements: { messageId: string; ms: number; at: number }[] = [];
  /** What each receive asked for. */
  readonly receives: { max: number; invisibleMs: number; at: number }[] = [];
  receiving = 0;
  mostReceiving = 0;
  readonly fail: { receive?: unknown; ack?: unknown; change?: unknown } = {};
  readonly #clock: Clock;
  readonly #maxDeliveries: number;
  readonly #longPollMs: number;
  readonly #requestMs: number;
  readonly #stored = new Map<string, Stored>();
  readonly #wakers = new Set<() => void>();
  #sent = 0;

  constructor({
    clock,
    topic = 'orders',
    group = 'payments',
    maxDeliveries = 17,
    longPollMs = 5_000,
    requestMs = 0,
  }: InMemoryConsumerOptions) {
    this.#clock = clock;
    this.topic = topic;
    this.group = group;
    this.#maxDeliveries = maxDeliveries;
    this.#longPollMs = longPollMs;
    this.#requestMs = requestMs;
  }

  /** Messages neither acknowledged nor dead. */
  get backlog(): number {
    return this.#stored.size;
  }

  /** Stores a message; `body` is sent as JSON unless it is bytes already. Returns its id. */
  send(
    body: unknown,
    { tag = '', keys = [], properties = {} }: Partial<Pick<ReceivedMessage, 'tag' | 'keys' | 'properties'>> = {},
  ): string {
    const messageId = `m${(this.#sent += 1)}`;
    const bytes = body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body));
    const message = { messageId, topic: this.topic, tag, keys, properties, body: bytes, bornAt: new Date(this.#clock.now()) };
    this.#stored.set(messageId, { message, attempts: 0, visibleAt: 0, receipt: 0 });
    this.#wake();
    return messageId;
  }

  async receive(max: number, invisibleMs: number, signal?: AbortSignal): Promise<Delivery[]> {
    if (!Number.isInteger(max) || max < 1 || max > 32) throw new RangeError(`max must be 1–32, it is ${max}`);
    this.receives.push({ max, invisibleMs, at: this.#clock.now() });
    if (this.fail.receive !== undefined) throw this.fail.receive;
    this.receiving += 1;
    this.mostReceiving = Math.max(this.mostReceiving, this.receiving);
    try {
      const pollEndsAt = this.#clock.now() + this.#longPollMs;
      for (;;) {
        signal?.throwIfAborted();
        const batch = this.#take(max, invisibleMs);
        if (batch.length > 0 || this.#clock.now() >= pollEndsAt) return batch;
        await this.#untilChangeOr(pollEndsAt, signal);
      }
    } finally {
      this.receiving -= 1;
    }
  }

  async close(): Promise<void> {}

  #take(max: number, invisibleMs: number): Delivery[] {
    const now = this.#clock.now();
    const batch: Delivery[] = [];
    for (const stored of this.#stored.values()) {
      if (batch.length === max) break;
      if (stored.visibleAt > now) continue;
      const { messageId } = stored.message;
      if (stored.attempts >= this.#maxDeliveries) {
        this.#stored.delete(messageId);
        this.deadLetters.push(messageId);
        continue;
      }
      stored.attempts += 1;
      stored.receipt += 1;
      stored.visibleAt = now + invisibleMs;
      this.deliveries.push({ messageId, attempt: stored.attempts, at: now });
      batch.push(this.#delivery(stored));
    }
    return batch;
  }

  #delivery(stored: Stored): Delivery {
    const { messageId } = stored.message;
    let receipt = stored.receipt;
    let isBusy = false;
    const request = async (failure: unknown, act: () => void): Promise<void> => {
      if (isBusy) throw new Error(`two requests at once on the delivery of ${messageId}`);
      isBusy = true;
      if (this.#requestMs > 0) await this.#clock.sleep(this.#requestMs);
      isBusy = false;
      if (failure !== undefined) throw failure;
      const isValid = this.#stored.has(messageId) && stored.receipt === receipt && stored.visibleAt > this.#clock.now();
      if (!isValid) throw new BrokerError(`the receipt of ${messageId} is no longer valid (40013)`, { retryable: false });
      act();
    };
    return {
      message: { ...stored.message, deliveryAttempt: stored.attempts },
      ack: () =>
        request(this.fail.ack, () => {
          this.#stored.delete(messageId);
          this.acked.push(messageId);
        }),
      changeInvisibleDuration: (ms) =>
        request(this.fail.change, () => {
          stored.visibleAt = this.#clock.now() + ms;
          receipt = stored.receipt += 1;
          this.postponements.push({ messageId, ms, at: this.#clock.now() });
          this.#wake();
        }),
    };
  }

  /** Waits until something was sent or postponed, the next message turns visible, or `endsAt`. */
  async #untilChangeOr(endsAt: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const next = Math.min(endsAt, ...[...this.#stored.values()].map(({ visibleAt }) => visibleAt));
    const change = new AbortController();
    const onAbort = (): void => change.abort();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#wakers.add(onAbort);
    await this.#clock.sleep(Math.max(0, next - now), change.signal).catch(() => {});
    this.#wakers.delete(onAbort);
    signal?.removeEventListener('abort', onAbort);
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
  }
}
