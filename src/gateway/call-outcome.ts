import type { EntityManager } from '@mikro-orm/core';
import type { CallRejectedError, CheckbackError } from '../errors.ts';
import type { InTransaction } from './external-call-store.ts';

/** What `Gateway.call` knows at its end. `replayed` says that the outcome was on record and no request was made. */
export type CallOutcome<R> =
  | { readonly status: 'SUCCESS'; readonly response: R; readonly httpStatus: number; readonly replayed: boolean }
  | {
      readonly status: 'FAIL';
      readonly error: CallRejectedError;
      readonly httpStatus: number;
      readonly response: unknown;
      readonly replayed: boolean;
    }
  | { readonly status: 'UNKNOWN'; readonly error: CheckbackError; readonly replayed: boolean }
  | {
      readonly status: 'PENDING';
      /**
       * Retryable: the request had no effect, or somebody else's attempt is in progress. With `CircuitOpenError` and
       * `CallThrottledError` no attempt was made, so it need not be counted as one.
       */
      readonly error: CheckbackError;
      /** Not before this; `undefined` leaves it to the caller's backoff. */
      readonly retryAfterMs: number | undefined;
      /** Attempts made so far, over all calls with this key; 0 when the record was not looked at (`CircuitOpenError`, `CallThrottledError`). */
      readonly attempt: number;
    };

export type FinalOutcome<R> = Extract<CallOutcome<R>, { status: 'SUCCESS' | 'FAIL' }>;

export interface CallOptions<R> {
  /** One business effect; the same for every attempt, delivery and worker. 1 to 128 visible ASCII characters. */
  readonly idempotencyKey: string;
  readonly correlationId: string;
  /** Aborting before the first byte leaves the call PENDING, later UNKNOWN. */
  readonly signal?: AbortSignal;
  /**
   * Runs in the same database transaction as the row's transition to SUCCESS or FAIL, committed exactly once per (call,
   * key); its own connection only, no I/O elsewhere, since a transaction the database refused is run again. Throwing
   * undoes its writes and leaves the call UNKNOWN, the evidence kept. Does not run for a replayed outcome.
   */
  readonly apply?: (em: EntityManager, outcome: FinalOutcome<R>) => Promise<void>;
  /**
   * Gives the transaction that records a final outcome, `apply` included, for example one whose COMMIT publishes an event
   * (`compensateByPublishing`). Default, and for an outcome it gives `undefined` for: one of the store's own.
   */
  readonly inTransaction?: (outcome: FinalOutcome<R>) => InTransaction | undefined;
}
