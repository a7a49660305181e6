import type { OutgoingMessage } from './message.ts';

/** What a check-back answers. UNKNOWN means "ask again": nothing is sent and the broker counts a round. */
export type Resolution = 'COMMIT' | 'ROLLBACK' | 'UNKNOWN';

/** A half message the broker asks about. */
export interface CheckedHalfMessage extends OutgoingMessage {
  readonly messageId: string;
  /** 1 at the first check; the broker parks the message after its own maximum (15 by default). */
  readonly round: number;
  /** By the clock of its sender, which is the one the broker counts its age from. */
  readonly bornAt: Date | undefined;
  /** By the broker's clock: when this copy of the half was stored. Each round makes a new copy. */
  readonly storedAt?: Date | undefined;
}

/** Answers the broker's question. Must not throw; must settle before `signal` aborts, or the answer is dropped. */
export type CheckBack = (half: CheckedHalfMessage, signal: AbortSignal) => Promise<Resolution>;

/** A half message that the broker has stored. */
export interface SentHalfMessage {
  readonly messageId: string;
  /**
   * Tells the broker the decision, once. Best effort by nature: resolving means "handed over", rejecting means nothing
   * at all; either way the check-back finds the truth. Never retried.
   */
  end(resolution: 'COMMIT' | 'ROLLBACK'): Promise<void>;
}

/** Sends half messages and answers check-backs for the topics it was started with. Safe for concurrent use. */
export interface TransactionalProducer {
  /**
   * Stores a half message: durable, invisible to consumers. Rejects with `HalfMessageError`; whether the half exists is
   * then unknown, so its transaction id must never be used again. Not idempotent.
   */
  sendHalf(message: OutgoingMessage): Promise<SentHalfMessage>;
  /**
   * Has the broker put its questions of the next `ms` to other producers of the topics. Best effort, may be missing:
   * questions that are on their way still come, and with no other producer online a round passes unasked.
   */
  stepAside?(ms: number): void;
  /** Answers no check-back any more and releases every socket and timer within `deadlineMs`. Idempotent; never rejects. */
  close(deadlineMs?: number): Promise<void>;
}

/** A broker, able to open producers. Nothing is connected before the first of them is started. */
export interface TransactionalBroker {
  /**
   * Resolves once every topic is known to the broker and check-backs can arrive. Rejects with `ConfigurationError` naming
   * the topic that is missing or takes no transactions, or with `BrokerError` when the broker cannot be reached in time.
   */
  startTransactionalProducer(options: {
    readonly topics: readonly string[];
    readonly checkBack: CheckBack;
  }): Promise<TransactionalProducer>;
}
