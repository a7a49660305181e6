import type { EntityManager } from '@mikro-orm/core';
import type { ReceivedMessage } from '../broker/message.ts';
import type { CallStatus } from '../gateway/call-status.ts';
import type { Move, OpenState, StatusCheckState } from './status-check-state.ts';

/** One per external call: the same key as its row. */
export interface CheckKey {
  readonly callName: string;
  readonly idempotencyKey: string;
}

/** A call whose outcome has become unknown. */
export interface NewStatusCheck extends CheckKey {
  readonly listener: string;
  readonly correlationId: string;
  /** As it was delivered: a later end is applied with it. */
  readonly message: ReceivedMessage;
  readonly errorCode: string | undefined;
  /** From now to the first question; `undefined` puts it before a person at once. */
  readonly afterMs: number | undefined;
}

/** What is on record. */
export interface StatusCheckRecord extends CheckKey {
  readonly listener: string;
  readonly correlationId: string;
  readonly message: ReceivedMessage;
  readonly state: StatusCheckState;
  /** Of the call's own row; `undefined` when there is none. It, and not `state`, decides what may be done. */
  readonly callStatus: CallStatus | undefined;
  /** How often the institution was asked. */
  readonly checks: number;
  readonly unknownForMs: number;
}

/** A record that nobody else works on until its lease ends. */
export interface ClaimedCheck extends StatusCheckRecord {
  readonly state: OpenState;
  /** Number of this claim; no two claims of a record have the same. */
  readonly claim: number;
  readonly fence: string;
}

/** A call that this process can ask about. */
export interface KnownCall {
  readonly listener: string;
  readonly callName: string;
}

/**
 * Keeps one record per call of unknown outcome. Safe for concurrent use from many processes; time is the database's.
 * Every method rejects with the driver's error when the database does not do its part, nothing being changed.
 */
export interface StatusCheckStore {
  /** Durable when it resolves. False, and nothing is changed, when there is a record already: its age goes on. */
  schedule(check: NewStatusCheck): Promise<boolean>;
  /** Claims at most `limit` due records of these calls, the longest due first. Never waits for another claimer: what that one looks at is skipped. */
  claim(options: { readonly calls: readonly KnownCall[]; readonly limit: number; readonly leaseMs: number }): Promise<ClaimedCheck[]>;
  /** Claims one record that is due within `earlyMs`; `undefined` when it is not, or is claimed, or has ended. */
  claimOne(key: CheckKey, options: { readonly leaseMs: number; readonly earlyMs: number }): Promise<ClaimedCheck | undefined>;
  /**
   * Moves a claimed record and ends its lease. False, and nothing is changed, when the lease was lost meanwhile or the
   * move is not in the table. A call that is PENDING with no attempt in progress becomes UNKNOWN with a move to REVIEW.
   */
  move(claimed: ClaimedCheck, move: Move): Promise<boolean>;
  /** Moves a record in somebody's transaction, whoever holds its lease: there the call's own row is the fence. */
  moveWithin(em: EntityManager, key: CheckKey, move: Move): Promise<void>;
  /** Ends a lease, leaving the record as due as it was. */
  release(claimed: ClaimedCheck): Promise<void>;
  /** The status of the call's own row now. */
  callStatus(key: CheckKey): Promise<CallStatus | undefined>;
  /** The body of the message is empty once the record is DONE. */
  find(key: CheckKey): Promise<StatusCheckRecord | undefined>;
  /** Moves records before a person to DONE whose call was settled by somebody else; returns how many. */
  closeSettled(): Promise<number>;
  /** Records that nobody works on although they have been due for `overdueMs`, of listeners or calls that are not among these. */
  overdueOfOthers(
    calls: readonly KnownCall[],
    overdueMs: number,
  ): Promise<readonly { readonly listener: string; readonly callName: string; readonly count: number }[]>;
}
