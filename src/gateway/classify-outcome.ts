import {
  CallRejectedError,
  CallUnavailableError,
  type CheckbackError,
  ConnectError,
  ConnectionLostError,
  ConnectTimeoutError,
  DeadlineError,
  ReadTimeoutError,
  UnknownOutcomeError,
  WriteTimeoutError,
} from '../errors.ts';
import type { CallStatus } from './call-status.ts';
import type { Exchange } from './exchange.ts';
import type { CallAnswer, CallTimeouts } from './external-call.ts';
import { parseRetryAfter } from './retry-after.ts';

/** What an exchange means for its call; design.md §4 is the table. */
export type Classification =
  | { readonly status: 'SUCCESS' }
  | { readonly status: 'FAIL'; readonly error: CallRejectedError }
  | { readonly status: 'UNKNOWN'; readonly error: CheckbackError }
  | { readonly status: 'PENDING'; readonly error: CheckbackError; readonly retryAfterMs: number | undefined };

export interface ClassifyRules {
  /** What was attempted, on what, for messages: `POST bank (pay-order)`. Holds no value of the request. */
  readonly attempted: string;
  readonly timeouts: CallTimeouts;
  readonly maxRetryAfterMs: number;
  readonly classify?: ((answer: CallAnswer) => CallStatus | undefined) | undefined;
}

/** Not a decision about this request: wrong credentials (401, 407), a twin in progress (409), a proxy that gave up (499). */
const UNDECIDED_4XX: ReadonlySet<number> = new Set([401, 407, 409, 499]);
const NOT_TAKEN: ReadonlySet<number> = new Set([408, 425, 429]);

/** The default meaning of a complete answer. 503 without Retry-After is what proxies say that may have passed the request on. */
export function defaultStatus({ httpStatus, headers }: CallAnswer): CallStatus {
  if (httpStatus >= 200 && httpStatus < 300) return 'SUCCESS';
  if (NOT_TAKEN.has(httpStatus)) return 'PENDING';
  if (httpStatus === 503) return headers['retry-after'] === undefined ? 'UNKNOWN' : 'PENDING';
  if (httpStatus >= 400 && httpStatus < 500) return UNDECIDED_4XX.has(httpStatus) ? 'UNKNOWN' : 'FAIL';
  return 'UNKNOWN';
}

/** Pure. `answer` is the parsed form of a complete one; a classifier that throws makes the outcome UNKNOWN. */
export function classifyOutcome(exchange: Exchange, answer: CallAnswer | undefined, rules: ClassifyRules, now: number): Classification {
  if (exchange.kind === 'failed') return classifyFailure(exchange, rules);
  if (!answer)
    return {
      status: 'UNKNOWN',
      error: new UnknownOutcomeError(`${rules.attempted}: HTTP ${exchange.answer.httpStatus} with a body that cannot be understood`),
    };
  return classifyAnswer(answer, rules, now);
}

function classifyAnswer(answer: CallAnswer, rules: ClassifyRules, now: number): Classification {
  const said = `${rules.attempted}: HTTP ${answer.httpStatus}`;
  let status: CallStatus;
  try {
    status = rules.classify?.(answer) ?? defaultStatus(answer);
  } catch {
    // Its message may quote the answer, so it is not passed on.
    return { status: 'UNKNOWN', error: new UnknownOutcomeError(`${said}; the call's classifier threw`) };
  }
  switch (status) {
    case 'SUCCESS':
      return { status };
    case 'FAIL':
      return { status, error: new CallRejectedError(`${said}; refused for good`) };
    case 'PENDING': {
      const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], now, rules.maxRetryAfterMs);
      const wait = retryAfterMs === undefined ? '' : `, not before ${retryAfterMs} ms`;
      return { status, error: new CallUnavailableError(`${said}; not taken for now${wait}`, { retryAfterMs }), retryAfterMs };
    }
    default:
      return { status: 'UNKNOWN', error: new UnknownOutcomeError(`${said}; whether the institution acted is not known`) };
  }
}

function classifyFailure(
  { phase, reason, error: cause }: Extract<Exchange, { kind: 'failed' }>,
  { attempted, timeouts }: ClassifyRules,
): Classification {
  if (reason === 'refused') {
    const error = new CallUnavailableError(`${attempted}: refused unread, the connection is being closed or is full`, { cause });
    return { status: 'PENDING', error, retryAfterMs: undefined };
  }
  const error = failureError();
  return phase === 'connect' ? { status: 'PENDING', error, retryAfterMs: undefined } : { status: 'UNKNOWN', error };

  function failureError(): CheckbackError {
    if (reason === 'deadline')
      return new DeadlineError(`${attempted}: over ${timeouts.totalMs} ms in all, in the ${phase} phase`, { cause, phase });
    if (reason === 'cancelled') return new DeadlineError(`${attempted}: cancelled by its caller in the ${phase} phase`, { cause, phase });
    if (phase === 'connect') {
      if (reason === 'timeout') return new ConnectTimeoutError(`${attempted}: no connection within ${timeouts.connectMs} ms`, { cause });
      return new ConnectError(`${attempted}: could not connect`, { cause });
    }
    if (reason === 'malformed') return new UnknownOutcomeError(`${attempted}: the answer is not HTTP/1.1 as it should be`, { cause });
    if (reason === 'oversized') return new UnknownOutcomeError(`${attempted}: the answer is longer than the call reads`, { cause });
    if (reason === 'lost') return new ConnectionLostError(`${attempted}: the connection ended in the ${phase} phase`, { cause });
    if (phase === 'write') return new WriteTimeoutError(`${attempted}: body not written within ${timeouts.writeMs} ms`, { cause });
    return new ReadTimeoutError(`${attempted}: sent, then silence for ${timeouts.readMs} ms`, { cause });
  }
}
