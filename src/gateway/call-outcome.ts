import type { CallRejectedError, CheckbackError } from '../errors.ts';

/** What `Gateway.call` knows at its end. `replayed` says that the outcome was on record and no request was made. */
export type CallOutcome<R> =
  | { readonly status: 'SUCCESS'; readonly response: R; readonly httpStatus: number; readonly replayed: boolean }
  | { readonly status: 'FAIL'; readonly error: CallRejectedError; readonly httpStatus: number; readonly response: unknown; readonly replayed: boolean }
  | { readonly status: 'UNKNOWN'; readonly error: CheckbackError; readonly replayed: boolean }
  | {
      readonly status: 'PENDING';
      /** Retryable: the request had no effect, or somebody else's attempt is in progress. */
      readonly error: CheckbackError;
      /** Not before this; `undefined` leaves it to the caller's backoff. */
      readonly retryAfterMs: number | undefined;
      /** Attempts made so far, over all calls with this key. */
      readonly attempt: number;
    };

export type FinalOutcome<R> = Extract<CallOutcome<R>, { status: 'SUCCESS' | 'FAIL' }>;
