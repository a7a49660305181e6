/** The one kind of message a topic takes; `MIXED` takes all of them. */
export type EmbeddedTopicType = 'TRANSACTION' | 'NORMAL' | 'DELAY' | 'FIFO' | 'MIXED';
export const EMBEDDED_TOPIC_TYPES: readonly EmbeddedTopicType[] = ['TRANSACTION', 'NORMAL', 'DELAY', 'FIFO', 'MIXED'];

/** A message as a producer handed it in. Times are milliseconds since the epoch. */
export interface IncomingMessage {
  readonly topic: string;
  readonly messageId: string;
  readonly tag: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Whether the producer compressed the body; the broker never looks inside. */
  readonly isCompressed: boolean;
  readonly kind: 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION';
  /** By the producer's clock; 0 when it set none. */
  readonly bornAt: number;
  readonly bornHost: string;
  readonly deliverAt?: number | undefined;
  readonly messageGroup?: string | undefined;
  readonly traceContext?: string | undefined;
  /** `orphaned_transaction_recovery_duration`: how long the broker is asked not to ask. */
  readonly checkImmunityMs?: number | undefined;
}

/** A message in a topic that consumers may read. */
export interface StoredMessage extends IncomingMessage {
  readonly storedAt: number;
  readonly queueId: number;
  readonly queueOffset: number;
}
