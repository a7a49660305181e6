import type { EntityManager } from '@mikro-orm/core';
import type { CallStatus } from './call-status.ts';
import type { PhaseTimes, TimeoutPhase } from './exchange.ts';

/** Bytes as stored. The hash and the length are always those of the raw bytes. */
export interface StoredBody {
  /** RAW as they came, MASKED with values replaced, WITHHELD nothing kept because secrets could not be told apart. */
  readonly state: 'RAW' | 'MASKED' | 'WITHHELD';
  readonly bytes: Buffer | undefined;
  readonly rawBytes: number;
  readonly sha256: Buffer;
}

/** Evidence of what is about to be sent. Some fields are worked out when read: read each once, and do not spread it. */
export interface RequestRecord {
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
  readonly origin: string;
  readonly method: string;
  readonly path: string;
  /** JSON: an array of [name, value]. */
  readonly headers: string;
  readonly body: StoredBody | undefined;
  readonly openedAt: Date;
}

/** Evidence of what came of it. Some fields are worked out when read: read each once, and do not spread it. */
export interface ResponseSnapshot {
  readonly httpStatus: number | undefined;
  readonly headers: string | undefined;
  readonly body: StoredBody | undefined;
  readonly isTruncated: boolean;
  /** The phase it failed in; `undefined` when a complete answer came. */
  readonly failedPhase: TimeoutPhase | undefined;
  readonly times: PhaseTimes;
  readonly remoteAddress: string | undefined;
  readonly errorCode: string | undefined;
  /** JSON: an array of { name, code, message }, outermost first. */
  readonly errorChain: string | undefined;
  readonly closedAt: Date;
}

/** A claimed row and its request record, both committed. Only the holder of `fence` may close it. */
export interface OpenedAttempt {
  readonly callId: number;
  readonly attempt: number;
  readonly fence: string;
}

/** What is on record for a call that is not to be made (again). */
export interface RecordedOutcome {
  readonly status: 'SUCCESS' | 'FAIL' | 'UNKNOWN';
  readonly attempts: number;
  readonly errorCode: string | undefined;
  /** Of the last complete answer; all `undefined` when the outcome was settled without one. */
  readonly httpStatus: number | undefined;
  readonly contentType: string | undefined;
  /** As stored, so perhaps masked. */
  readonly body: Buffer | undefined;
}

export type OpenResult =
  | ({ readonly kind: 'opened' } & OpenedAttempt)
  | ({ readonly kind: 'recorded' } & RecordedOutcome)
  /** Somebody else's attempt is in progress; its lease ends in `leaseMs`. */
  | { readonly kind: 'in-flight'; readonly leaseMs: number; readonly attempts: number }
  /** The institution said not to come back before `retryAfterMs` from now. */
  | { readonly kind: 'not-before'; readonly retryAfterMs: number; readonly attempts: number };

export type CloseResult =
  | { readonly kind: 'closed' }
  /** The lease had ended and the row was declared UNKNOWN meanwhile: the snapshot is kept, the row and `apply` are not touched. */
  | { readonly kind: 'lease-lost' }
  /** `apply` threw: its writes are undone, the snapshot is kept, the row is UNKNOWN. */
  | { readonly kind: 'apply-failed'; readonly error: unknown };

/** Runs in the transaction that moves the row to a final status. */
export type Apply = (em: EntityManager) => Promise<void>;

/**
 * Runs `work` in one transaction, which commits when it resolves; resolves once COMMIT is certain. `work` may be run
 * again, after a deadlock, from its beginning. Rejects when the transaction is rolled back, and when nobody knows.
 */
export type InTransaction = (work: (em: EntityManager) => Promise<void>) => Promise<void>;

/**
 * Keeps one row per (call name, idempotency key) and its append-only evidence. Safe for concurrent use from many
 * processes. Time for leases is the database's. Every method rejects with the driver's error when the database does not
 * do its part.
 */
export interface ExternalCallStore {
  /**
   * Claims the row for `leaseMs` and inserts the request record, in one committed transaction. Exactly one of several
   * concurrent callers of a key is `opened`. A row found PENDING whose lease ended, or never was, with an attempt that has
   * no response snapshot becomes UNKNOWN and is `recorded`, since that attempt may have been sent.
   */
  open(request: RequestRecord, leaseMs: number): Promise<OpenResult>;
  /**
   * Inserts the response snapshot, moves the row to `to` under the fence and runs `apply`, in one transaction. May be
   * called again with the same arguments after it rejected: what has committed is not done twice, `apply` included.
   * `inTransaction` runs the transaction of a final status in the place of the store.
   */
  close(
    opened: OpenedAttempt,
    snapshot: ResponseSnapshot,
    to: CallStatus,
    options: {
      readonly notBeforeMs?: number | undefined;
      readonly apply?: Apply | undefined;
      readonly inTransaction?: InTransaction | undefined;
    },
  ): Promise<CloseResult>;
  /**
   * Moves an UNKNOWN row on, for status checks and repairs, and runs `apply` in the same transaction. False when the row
   * is not UNKNOWN (any more); `apply` has not run then. Rejects with the error of `apply`, nothing being changed; with
   * `inTransaction` as that does.
   */
  resolveUnknown(
    callName: string,
    idempotencyKey: string,
    to: 'SUCCESS' | 'FAIL' | 'PENDING',
    options?: {
      readonly errorCode?: string | undefined;
      readonly apply?: Apply | undefined;
      readonly inTransaction?: InTransaction | undefined;
    },
  ): Promise<boolean>;
}
