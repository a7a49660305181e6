/** How the mock bank treats one request. `acts` says whether the payment takes effect before things go wrong. */
export type MockBankStep =
  /** 201 and the payment takes effect. */
  | { readonly kind: 'ok' }
  /** 422: refused for good. */
  | { readonly kind: 'reject' }
  /** Any complete answer. Acts when `acts` says so; default no. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string | string[]>>;
      readonly body?: string;
      readonly acts?: boolean;
    }
  /** Takes the payment and never answers. */
  | { readonly kind: 'never-answer' }
  /** 503; without `retryAfter` it has no Retry-After header. */
  | { readonly kind: 'unavailable'; readonly retryAfter?: string }
  /** 502, as a proxy says it; default: the payment took effect behind it. */
  | { readonly kind: 'bad-gateway'; readonly acts?: boolean }
  /** Resets the connection: before the body is read, in its middle, after it, or in the middle of the answer. The last two act. */
  | { readonly kind: 'reset'; readonly when: 'before-body' | 'during-body' | 'after-body' | 'during-answer' }
  /** Stops reading after the headers and never answers. How much of a body the kernel takes in nevertheless is its own affair. */
  | { readonly kind: 'stop-reading' }
  /** Waits before the headers. Acts. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Headers at once, then the body a byte at a time. Acts. */
  | { readonly kind: 'slow-body'; readonly byteEveryMs: number }
  /** Headers and part of the body, then silence. Acts. */
  | { readonly kind: 'stall-body' }
  /** Promises more body than it sends, then closes. Acts. */
  | { readonly kind: 'truncate' }
  /** A body without end, as fast as it is read. Acts. */
  | { readonly kind: 'endless' }
  /** Answers as `ok`, keeping the connection, and closes it right after. */
  | { readonly kind: 'close-after' }
  /** Bytes that are not HTTP. Acts. */
  | { readonly kind: 'garbage'; readonly bytes?: string };

/**
 * Steps for payments: a list used up from the front, then `ok`; or a function of the request and its number (from 1).
 * Status checks (`GET /payments/:key`) are always answered truthfully unless a function says otherwise.
 */
export type MockBankScript = readonly MockBankStep[] | ((request: SeenRequest, nth: number) => MockBankStep | undefined);

/** A request the bank saw, whatever it did with it. Times are its own clock's, in milliseconds since the epoch. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly idempotencyKey: string;
  /** As far as it was read. */
  body: string;
  /** Number of the connection it came on, from 1. */
  readonly connection: number;
  readonly headersAt: number;
  /** When the last byte of the body had come. */
  bodyAt: number | undefined;
  /** When the headers of the answer left. */
  answeredAt: number | undefined;
}
