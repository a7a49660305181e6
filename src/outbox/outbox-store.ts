import type { OutgoingMessage } from '../broker/message.ts';

/** A message a relay has claimed. `fence` proves the claim: whoever claims it later makes another. */
export interface ClaimedMessage {
  readonly id: number;
  /** Messages of one lane are sent in the order of their ids; those without one in any. */
  readonly lane: string | undefined;
  readonly fence: string;
  /** 1 at the first. */
  readonly attempt: number;
  readonly message: OutgoingMessage;
}

export interface ClaimRequest {
  /** Name of the relay, for people who look. */
  readonly owner: string;
  readonly limit: number;
  readonly leaseMs: number;
  /** What a parked message means for the later ones of its lane. */
  readonly parkedLane: ParkedLane;
}

/** `hold`: they wait, and nothing overtakes. `pass`: they are sent, and the lane has a gap. */
export type ParkedLane = 'hold' | 'pass';

/** What a relay has to do, and what it cannot. */
export interface OutboxBacklog {
  readonly waiting: number;
  readonly parked: number;
  /** Since it was written, by the database's clock; `undefined` when nothing waits. */
  readonly oldestWaitingMs: number | undefined;
}

export interface ParkedMessage {
  readonly id: number;
  readonly transactionId: string;
  readonly topic: string;
  readonly keys: readonly string[];
  readonly attempts: number;
  readonly reason: string;
}

/**
 * Port to the rows of the outbox. Any number of relays in any number of processes use it at once. All times are the
 * database's. Every change of a claimed message needs its fence: what was claimed by another since is left alone, and
 * the answer says how many really changed.
 */
export interface OutboxStore {
  /**
   * Takes messages that are due, oldest first, for `leaseMs`: of a lane only its first unsent message and those that
   * follow it without a gap, and none while any of them is another's. Ordered by id.
   */
  claim(request: ClaimRequest): Promise<readonly ClaimedMessage[]>;
  /** SENT, kept for `keepMs` more. Returns how many were still this claim's. */
  markSent(messages: readonly ClaimedMessage[], keepMs: number): Promise<number>;
  /** WAITING again, due in `afterMs`. */
  retryLater(message: ClaimedMessage, afterMs: number, reason: string): Promise<boolean>;
  /** WAITING again at once, as if they had never been claimed. */
  release(messages: readonly ClaimedMessage[]): Promise<number>;
  park(message: ClaimedMessage, reason: string): Promise<boolean>;
  /** Deletes what was sent, or discarded, and kept long enough: one batch. Returns how many. */
  deleteKept(limit: number): Promise<number>;
  backlog(): Promise<OutboxBacklog>;
  /** Oldest first. */
  parked(limit: number): Promise<readonly ParkedMessage[]>;
  /** A person's decision on a parked message: sent again in its place of its lane. False when it is not parked. */
  requeue(id: number, by: string): Promise<boolean>;
  /** A person's decision on a parked message: never sent. False when it is not parked. */
  discard(id: number, by: string): Promise<boolean>;
}
