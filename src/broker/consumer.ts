import type { ReceivedMessage } from './message.ts';

/**
 * One consumer of one topic in one consumer group. At-least-once: a message that is neither acknowledged nor postponed
 * is delivered again when its invisible duration ends. No order is promised between messages.
 */
export interface Consumer {
  readonly topic: string;
  readonly group: string;
  /**
   * Waits up to the broker's long poll for at most `max` messages (1–32), each invisible to others for `invisibleMs`.
   * An empty array is normal. A message that cannot be decoded is never part of it and does not harm its neighbours.
   * Rejects with `BrokerError`; the caller backs off and calls again. Aborting rejects at once with the signal's
   * reason; messages that arrive after that are handed back.
   */
  receive(max: number, invisibleMs: number, signal?: AbortSignal): Promise<Delivery[]>;
  /** Stops receiving, lets open acknowledgements finish within `deadlineMs`, releases every socket and timer. Idempotent. */
  close(deadlineMs?: number): Promise<void>;
}

/** One delivery of a message, and what may be done with it. Not safe for concurrent calls on the same delivery. */
export interface Delivery {
  readonly message: ReceivedMessage;
  /**
   * Done: never delivered to this group again. Rejects with `BrokerError` when the broker did not confirm; it may then come
   * again. Acknowledgements of several deliveries may leave in one request; each has its own answer.
   */
  ack(): Promise<void>;
  /**
   * Delivered again not before `ms` (0–12 h) from now, as another attempt. Also how a lease is renewed: as long as it is
   * renewed or acknowledged in time, no attempt is counted.
   */
  changeInvisibleDuration(ms: number): Promise<void>;
}
