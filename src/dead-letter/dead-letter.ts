import type { DeadLetterStanding } from './dead-letter-state.ts';

/**
 * Why a message is dead. POISON: it can never be understood. RETRIES_EXHAUSTED: every delivery its policy allows failed.
 * BROKER_LIMIT: the broker moved it to `%DLQ%<group>` by its own limit, or because its body could not be decoded.
 */
export type DeadLetterReason = 'POISON' | 'RETRIES_EXHAUSTED' | 'BROKER_LIMIT';

export const DEAD_LETTER_REASONS: readonly DeadLetterReason[] = ['POISON', 'RETRIES_EXHAUSTED', 'BROKER_LIMIT'];

/** One error of a chain, outermost first. `message` is masked: no value of the dead message is in it. */
export interface ErrorLink {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
}

/** What is known of a dead message, before and after it is kept. */
interface DeadMessage {
  /** The same for every death of the same message; see `message-identity.ts`. */
  readonly identity: string;
  readonly topic: string;
  readonly group: string;
  readonly listener: string | undefined;
  readonly messageId: string;
  readonly tag: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly bornAt: Date | undefined;
  readonly reason: DeadLetterReason;
  readonly reasonText: string;
  readonly errorChain: readonly ErrorLink[];
  readonly deliveryAttempts: number;
  readonly callName: string | undefined;
  readonly idempotencyKey: string | undefined;
}

/** A message as it is handed to the store. */
export interface Death extends DeadMessage {
  /** Whether the dead message was itself sent by a replay: then a REPLAYED letter is OPEN again. */
  readonly isReplay: boolean;
  readonly body: Uint8Array;
}

/** A kept message without its body, which may hold secrets and is asked for by itself. */
export interface DeadLetter extends DeadMessage {
  readonly id: number;
  readonly bodyBytes: number;
  /** Hexadecimal. */
  readonly bodySha256: string;
  /** How often it was kept: 1, and once more for every further death. */
  readonly deaths: number;
  readonly firstFailedAt: Date;
  readonly lastFailedAt: Date;
  /** Replays that were confirmed. */
  readonly replays: number;
  readonly standing: DeadLetterStanding;
}

/** The topic a broker's own dead-letter queue has; the topic the message came from is not in it. */
export const deadLetterTopic = (group: string): string => `%DLQ%${group}`;

/** Whether the topic a letter came from is not known, so that a replay must be told. */
export const isTopicUnknown = ({ topic }: Pick<DeadLetter, 'topic'>): boolean => topic.startsWith('%DLQ%');
