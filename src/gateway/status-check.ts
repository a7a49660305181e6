import { ConfigurationError } from '../errors.ts';
import type { CallAnswer, CallTimeouts } from './external-call.ts';

/** What an institution says became of a call. `undefined` from `interpret` means that the answer does not say. */
export type StatusAnswer<Response> =
  /** It arrived and was done. `response` is what the call itself would have answered. */
  | { readonly status: 'SUCCESS'; readonly response: Response }
  /** It arrived and was refused for good. */
  | { readonly status: 'FAIL'; readonly response?: unknown }
  /** It never arrived, and will not any more. */
  | { readonly status: 'ABSENT' };

/** When a call of unknown outcome is asked after, and for how long. */
export interface StatusCheckTimes {
  /** From the moment the outcome became unknown to the first question. Default 300,000 (5 minutes). */
  readonly afterMs: number;
  /** Ceiling of the pause between questions, which doubles from `afterMs` with full jitter on its upper half. Default 3,600,000 (an hour). */
  readonly maxDelayMs: number;
  /** From the first unknown outcome until a person is asked instead of the institution. Default 86,400,000 (a day). */
  readonly maxAgeMs: number;
}

export const DEFAULT_STATUS_CHECK_TIMES: StatusCheckTimes = Object.freeze({
  afterMs: 300_000,
  maxDelayMs: 3_600_000,
  maxAgeMs: 86_400_000,
});

/** How to ask the institution "did this order arrive?". The question must have no effect, for it is asked again and again. */
export interface StatusCheck<Input, Response> extends Partial<StatusCheckTimes> {
  /** Default GET. */
  readonly method?: 'GET' | 'POST';
  /** On the origin of the call. Begins with one slash; values put into it must be encoded (`encodeURIComponent`). */
  readonly path: (input: Input, idempotencyKey: string) => string;
  /** For POST. Sent as JSON. */
  readonly body?: (input: Input, idempotencyKey: string) => unknown;
  readonly headers?: (input: Input, idempotencyKey: string) => Readonly<Record<string, string>>;
  /** Default: those of the call. */
  readonly timeouts?: Partial<CallTimeouts>;
  /**
   * Says what a complete answer means; must be pure. `undefined`, and throwing, mean "ask again later". Beware of
   * calling a 404 ABSENT when a wrong path or a proxy gives the same.
   */
  readonly interpret: (answer: CallAnswer) => StatusAnswer<Response> | undefined;
  /** What follows ABSENT: the same request again under the same idempotency key, or FAIL with its compensation. Default 'retry'. */
  readonly whenAbsent?: 'retry' | 'fail';
}

/** A status check is a call of its own, under the name of the call it asks about and this. */
export const STATUS_CALL_SUFFIX = '.status';

/** A checked, frozen status check with its times filled in. */
export type ResolvedStatusCheck<Input, Response> = StatusCheck<Input, Response> &
  StatusCheckTimes & { readonly whenAbsent: 'retry' | 'fail' };

/** Fills in the defaults. Throws `RangeError` or `ConfigurationError` naming the option and its value. */
export function resolveStatusCheck<Input, Response>(of: string, check: StatusCheck<Input, Response>): ResolvedStatusCheck<Input, Response> {
  const { method = 'GET', whenAbsent = 'retry' } = check;
  if (method === 'GET' && check.body) throw new ConfigurationError(`external call "${of}": a status check by GET takes no body`);
  const times = {
    afterMs: check.afterMs ?? DEFAULT_STATUS_CHECK_TIMES.afterMs,
    maxDelayMs: check.maxDelayMs ?? DEFAULT_STATUS_CHECK_TIMES.maxDelayMs,
    maxAgeMs: check.maxAgeMs ?? DEFAULT_STATUS_CHECK_TIMES.maxAgeMs,
  };
  for (const [name, value] of Object.entries(times)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`${of}.statusCheck.${name} must be a whole number of at least 1, got ${value}`);
  }
  if (times.maxDelayMs < times.afterMs)
    throw new RangeError(`${of}.statusCheck.maxDelayMs must be at least afterMs (${times.afterMs}), got ${times.maxDelayMs}`);
  return Object.freeze({ ...check, ...times, method, whenAbsent });
}
