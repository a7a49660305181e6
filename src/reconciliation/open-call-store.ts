import type { CallStatus } from '../gateway/call-status.ts';
import type { StatusCheckState } from '../status-check/status-check-state.ts';
import type { HeldRun, RunItem } from './run-store.ts';

/** How one call stands at a moment. */
export interface CallStanding {
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
  readonly status: CallStatus;
  /** Until the attempt in progress loses its lease; 0 when there is none. */
  readonly attemptLeaseMs: number;
  /** PENDING, and its attempt lost its lease: it may have been sent. */
  readonly isAbandoned: boolean;
  /** Since its outcome became unknown: since its lease ended, where it was abandoned. */
  readonly openForMs: number;
  /** Made by a step of a saga. */
  readonly isOfSaga: boolean;
  /** Its status check; `undefined` when there is none. */
  readonly check: CheckStanding | undefined;
}

export interface CheckStanding {
  readonly listener: string;
  readonly state: StatusCheckState;
  /** Whether its time has come. */
  readonly isDue: boolean;
  /** Until whoever works on it loses it; 0 when nobody does. */
  readonly leaseMs: number;
}

/** Where a scan has come to; made by the store, and none of anybody's business. `undefined` at the beginning. */
export type ScanCursor = string | undefined;

export interface ScanOptions {
  readonly limit: number;
  /** PENDING between attempts counts as open when nobody has tried for that long. */
  readonly idleAfterMs: number;
}

/** Reads the open rows of `external_call`; questions to institutions are not among them. Time is the database's. */
export interface OpenCallStore {
  /** About how many calls are open. */
  count(since: Date | undefined): Promise<number>;
  /**
   * Takes the next open calls into the run: rows that somebody has locked are skipped, and looked for again in the end.
   * Those found PENDING past their lease become UNKNOWN, but for those of sagas. Items, count and cursor are written in
   * one transaction. Gives the next cursor, `undefined` when there is nothing more.
   */
  claim(run: HeldRun, cursor: ScanCursor, options: ScanOptions): Promise<ScanCursor>;
  /** How the items of a run stand now. Those that are gone are left out. */
  look(items: readonly RunItem[]): Promise<ReadonlyMap<number, CallStanding>>;
  /** The next open calls, changing nothing. */
  scan(
    since: Date | undefined,
    cursor: ScanCursor,
    options: ScanOptions,
  ): Promise<{ readonly standings: readonly CallStanding[]; readonly next: ScanCursor }>;
}
