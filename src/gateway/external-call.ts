import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors.ts';
import type { CallStatus } from './call-status.ts';
import { type CallLimits, checkCallLimits } from './origin-limits.ts';
import { type ResolvedStatusCheck, resolveStatusCheck, type StatusCheck, STATUS_CALL_SUFFIX } from './status-check.ts';

export type CallMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** How long each phase of one attempt may take. */
export interface CallTimeouts {
  /** Waiting for a free socket, DNS, TCP and TLS together. Default 2,000. */
  readonly connectMs: number;
  /** Until the operating system has taken the last byte of the request. Default 5,000. */
  readonly writeMs: number;
  /** Until the response headers, and again between two pieces of the body. Default 10,000. */
  readonly readMs: number;
  /** One attempt from first to last. Default 20,000. */
  readonly totalMs: number;
}

export const DEFAULT_CALL_TIMEOUTS: CallTimeouts = Object.freeze({ connectMs: 2_000, writeMs: 5_000, readMs: 10_000, totalMs: 20_000 });

/** When an attempt that certainly sent nothing is made again at once; everything else is the worker's or the status check's. */
export interface CallRetry {
  /** Attempts within one `call()`, the first one counted. Default 3. */
  readonly maxAttempts: number;
  /** Full jitter: before attempt n+1 the wait is random between 0 and min(maxDelayMs, baseDelayMs · 2^(n-1)). Default 100. */
  readonly baseDelayMs: number;
  /** Default 2,000. */
  readonly maxDelayMs: number;
  /** The longest Retry-After that is believed; longer ones are cut to it. Default 3,600,000 (an hour). */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_CALL_RETRY: CallRetry = Object.freeze({
  maxAttempts: 3,
  baseDelayMs: 100,
  maxDelayMs: 2_000,
  maxRetryAfterMs: 3_600_000,
});

// What fits into one statement of a database left at its defaults, written in hexadecimal.
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

/** A complete answer, as a classifier sees it. */
export interface CallAnswer {
  readonly httpStatus: number;
  /** Lower-case names; repeated headers joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed JSON body, the text of any other body, `undefined` for none. Not yet checked against the schema. */
  readonly response: unknown;
}

export interface ExternalCallDefinition<Input, Response> {
  /** Unique among the service's calls; stored with every row. */
  readonly name: string;
  /** The name of an origin in the gateway's configuration, never a URL. */
  readonly origin: string;
  readonly method: CallMethod;
  /** Begins with one slash; values put into it must be encoded (`encodeURIComponent`). */
  readonly path: string | ((input: Input) => string);
  /** Sent as JSON. Must give the same value for the same input: every attempt builds it anew. Default: no body. */
  readonly body?: (input: Input) => unknown;
  readonly headers?: (input: Input) => Readonly<Record<string, string>>;
  /**
   * Checks the input before anything is recorded or sent; `path`, `body`, `headers` and `statusCheck` are given what it
   * returns. Default: the input is taken as it is.
   */
  readonly request?: StandardSchemaV1<unknown, Input>;
  /** A 2xx answer that does not match is UNKNOWN, with its bytes kept. Default: anything is taken. */
  readonly response?: StandardSchemaV1<unknown, Response>;
  readonly timeouts?: Partial<CallTimeouts>;
  readonly retry?: Partial<CallRetry>;
  /** Limits of this call alone; those of its origin hold as well. Default: none. */
  readonly limits?: CallLimits;
  /** Says what a complete answer means where the default does not fit; `undefined` leaves it to the default. Must be pure. */
  readonly classify?: (answer: CallAnswer) => CallStatus | undefined;
  /** How to find out what became of a call whose outcome is unknown. Default: none, so that a person has to. */
  readonly statusCheck?: StatusCheck<Input, Response>;
  /** Bytes of a response body that are read and kept; a longer one is cut, marked, and the outcome UNKNOWN. Default 1 MiB, 4 MiB at most. */
  readonly maxResponseBytes?: number;
  /** Paths of JSON values stored in clear; every other value is masked. See `mask-json.ts`. Default: everything is kept. */
  readonly keep?: readonly string[];
  /** Paths of JSON values never stored, in requests and responses; they win over `keep`. Default: well-known names of secrets. */
  readonly mask?: readonly string[];
  /** Headers stored in clear besides the harmless ones (`KEPT_HEADERS`). Default: none. */
  readonly keepHeaders?: readonly string[];
}

/** A checked, frozen definition with its defaults filled in. */
export interface ExternalCall<Input, Response> extends Omit<ExternalCallDefinition<Input, Response>, 'request'> {
  /** Gives an `Input`; not said here, so that a call that takes more can stand for one that takes less. */
  readonly request?: StandardSchemaV1;
  readonly timeouts: CallTimeouts;
  readonly retry: CallRetry;
  readonly maxResponseBytes: number;
  readonly statusCheck?: ResolvedStatusCheck<Input, Response>;
  /** What a successful answer says, where that is more than its body; set by `statusCheckCall`. Must be pure. */
  readonly readResponse?: (answer: CallAnswer) => Response;
}

/** Defines a call to an institution. Throws `ConfigurationError` or `RangeError` at once when it cannot work; does no I/O. */
export function defineExternalCall<Input, Response = unknown>(
  definition: ExternalCallDefinition<Input, Response>,
): ExternalCall<Input, Response> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(definition.name))
    throw new ConfigurationError(`external call name ${JSON.stringify(definition.name)} must be 1 to 100 letters, digits, dots, dashes`);
  if (definition.method === 'GET' && definition.body) throw new ConfigurationError(`external call "${definition.name}": GET takes no body`);
  const timeouts = positive(`${definition.name}.timeouts`, { ...DEFAULT_CALL_TIMEOUTS, ...definition.timeouts });
  const retry = positive(`${definition.name}.retry`, { ...DEFAULT_CALL_RETRY, ...definition.retry });
  const { maxResponseBytes } = positive(definition.name, { maxResponseBytes: definition.maxResponseBytes ?? 1024 * 1024 });
  if (maxResponseBytes > MAX_RESPONSE_BYTES)
    throw new RangeError(`${definition.name}.maxResponseBytes must be at most ${MAX_RESPONSE_BYTES}, got ${maxResponseBytes}`);
  const { statusCheck, limits, ...rest } = definition;
  if (statusCheck && definition.name.length > 100 - STATUS_CALL_SUFFIX.length)
    throw new ConfigurationError(
      `external call name "${definition.name}" leaves no room for "${STATUS_CALL_SUFFIX}", the name of its status check`,
    );
  const resolved = {
    ...(statusCheck && { statusCheck: resolveStatusCheck(definition.name, statusCheck) }),
    ...(limits && { limits: checkCallLimits(`${definition.name}.limits`, { ...limits }) }),
  };
  return Object.freeze({ ...rest, ...resolved, timeouts, retry, maxResponseBytes });
}

function positive<T extends object>(of: string, options: T): T {
  for (const [name, value] of Object.entries(options)) {
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 31 - 1)
      throw new RangeError(`${of}.${name} must be a whole number from 1 to 2147483647, got ${String(value)}`);
  }
  return Object.freeze(options);
}
