/** Where in an exchange time is spent and things go wrong. Nothing has been sent before `write`. */
export type TimeoutPhase = 'connect' | 'write' | 'read';

/** Milliseconds; `undefined` for a phase that was not reached, the time so far for the one that failed. */
export interface PhaseTimes {
  /** From the start to a usable connection. */
  readonly connectMs: number;
  /** Until the operating system had taken the last byte. */
  readonly writeMs: number | undefined;
  /** From then until the response headers. */
  readonly headersMs: number | undefined;
  /** From the headers until the last byte of the body. */
  readonly bodyMs: number | undefined;
  readonly totalMs: number;
}

/** What came back, as it came. */
export interface RawAnswer {
  readonly httpStatus: number;
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** More came, or would have come, than was read. */
  readonly isTruncated: boolean;
}

/**
 * - `timeout` the phase took too long · `deadline` the total did · `cancelled` the caller gave up
 * - `refused` sent, and not processed by the other side's own word (HTTP/2)
 * - `lost` no connection, or it ended early · `malformed` not HTTP as it should be, or headers over the limit · `oversized` body over the limit
 */
export type FailureReason = 'timeout' | 'deadline' | 'cancelled' | 'refused' | 'lost' | 'malformed' | 'oversized';

/** One request on the wire and its end. */
export type Exchange = { readonly times: PhaseTimes; readonly remoteAddress: string | undefined } & (
  | { readonly kind: 'answered'; readonly answer: RawAnswer }
  | {
      readonly kind: 'failed';
      readonly phase: TimeoutPhase;
      readonly reason: FailureReason;
      readonly error: Error | undefined;
      /** What had come by then; always truncated. */
      readonly answer: RawAnswer | undefined;
    }
);
