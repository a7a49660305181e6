import type { OutgoingMessage } from './message.ts';

/** Sends ordinary messages to the topics it was started with. Safe for concurrent use. */
export interface Producer {
  /**
   * Stores a message; resolved means durable. Rejects with `BrokerError`: `acted` is `maybe`, so the message may be
   * delivered nevertheless, and sending it again may deliver it twice. Not idempotent.
   *
   * `delayMs` (a DELAY topic, at most 24 h by the proxy's default) delivers it that much later.
   */
  send(message: OutgoingMessage, options?: { readonly delayMs?: number | undefined }): Promise<{ readonly messageId: string }>;
  /** Lets sends in progress finish within `deadlineMs` and releases every socket and timer. Idempotent; never rejects. */
  close(deadlineMs?: number): Promise<void>;
}

/** What a topic takes, as it was created. */
export type ProducerTopicType = 'NORMAL' | 'DELAY';
