import type { EmbeddedTopicType, IncomingMessage, StoredMessage } from './stored-message.ts';

/** What the broker must know again after a restart, in the order it happened. */
export type JournalRecord =
  | { readonly kind: 'topic'; readonly name: string; readonly type: EmbeddedTopicType; readonly queues: number; readonly first: number }
  | { readonly kind: 'group'; readonly name: string; readonly retryMaxTimes: number; readonly isFifo: boolean }
  | { readonly kind: 'store'; readonly topic: string; readonly number: number; readonly message: StoredMessage }
  | {
      readonly kind: 'half';
      readonly offset: number;
      readonly round: number;
      readonly storedAt: number;
      readonly originalOffset?: number | undefined;
      readonly message: IncomingMessage;
    }
  /** These copies of halves are done with. */
  | { readonly kind: 'ops'; readonly offsets: readonly number[] }
  /** A check-back round: the half under `from` continues under `to`. */
  | {
      readonly kind: 'copy';
      readonly from: number;
      readonly to: number;
      readonly round: number;
      readonly storedAt: number;
      readonly originalOffset?: number | undefined;
    }
  | { readonly kind: 'park'; readonly offset: number; readonly at: number }
  | { readonly kind: 'delay'; readonly id: number; readonly message: IncomingMessage }
  /** A delayed message has become readable. */
  | { readonly kind: 'due'; readonly id: number }
  /** A group reads a topic from here on. */
  | { readonly kind: 'join'; readonly group: string; readonly topic: string; readonly position: number }
  | { readonly kind: 'handed'; readonly group: string; readonly topic: string; readonly number: number; readonly attempt: number }
  /** Handed out before the journal was rewritten, and not done with. */
  | {
      readonly kind: 'held';
      readonly group: string;
      readonly topic: string;
      readonly number: number;
      readonly attempt: number;
      readonly message: StoredMessage;
    }
  | { readonly kind: 'done'; readonly group: string; readonly topic: string; readonly number: number };

/** Where records go. `append` is in order and cheap; `flushed` resolves when everything appended so far survives a power cut. */
export interface Journal {
  append(record: JournalRecord): void;
  flushed(): Promise<void>;
}
