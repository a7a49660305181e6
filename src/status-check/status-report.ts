import type { InstitutionSaid, StatusCheckState } from './status-check-state.ts';

/** How many calls are how far, and how old what is open has become. */
export interface StatusCheckSummary {
  readonly byState: Readonly<Record<StatusCheckState, number>>;
  /** Not DONE, by the time since the outcome became unknown; each bucket up to `underMs`, the last one beyond. */
  readonly openByAge: readonly { readonly underMs: number | undefined; readonly count: number }[];
  /** DUE or RETRY, and more than a minute past their time: nobody sweeps, or nobody has the listener. */
  readonly overdue: number;
  /** The oldest that is not DONE; `undefined` when there is none. */
  readonly oldestMs: number | undefined;
}

/** Upper ends of the buckets of `openByAge`: five minutes, an hour, a day. */
export const AGE_BUCKETS_MS: readonly number[] = [300_000, 3_600_000, 86_400_000];

/** A call that waits for a person. Holds nothing of the message. */
export interface CallInReview {
  /** Where the next page begins. */
  readonly id: number;
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly listener: string;
  readonly correlationId: string;
  readonly unknownSince: Date;
  readonly checks: number;
  readonly lastSaid: InstitutionSaid | undefined;
  readonly lastErrorCode: string | undefined;
}

/** What operators and metrics ask. Reads only what is committed. */
export interface StatusReport {
  summary(): Promise<StatusCheckSummary>;
  /** Calls in REVIEW, oldest record first, `limit` (default 100, at most 1,000) after the id `after`. */
  inReview(page?: { readonly after?: number; readonly limit?: number }): Promise<readonly CallInReview[]>;
}
