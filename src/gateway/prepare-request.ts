import { InvalidMessageError } from '../errors.ts';
import type { CallMethod, ExternalCall } from './external-call.ts';
import { checkHeaders, isHeaderValue } from './http-header.ts';
import type { Origin } from './origin.ts';

/** A request as it leaves, checked; the same bytes for every attempt of one `call()`. */
export class PreparedRequest {
  readonly method: CallMethod;
  /** Path and query. */
  readonly path: string;
  /** Lower-case names, each followed by its value, in sending order. */
  readonly wireHeaders: string[];
  readonly body: Buffer | undefined;

  constructor(method: CallMethod, path: string, wireHeaders: string[], body: Buffer | undefined) {
    this.method = method;
    this.path = path;
    this.wireHeaders = wireHeaders;
    this.body = body;
  }

  /** Lower-case names, in sending order. */
  get headers(): ReadonlyMap<string, string> {
    const { wireHeaders } = this;
    const headers = new Map<string, string>();
    for (let at = 0; at < wireHeaders.length; at += 2) headers.set(wireHeaders[at]!, wireHeaders[at + 1]!);
    return headers;
  }
}

const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const KEY = /^[\x21-\x7e]{1,128}$/;
// Visible ASCII without the backslash, which URL parsers turn into a slash, and without a fragment.
const PATH = /^\/(?!\/)[\x21\x22\x24-\x5b\x5d-\x7e]*$/;
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

/** Builds and checks a request. Throws `InvalidMessageError` that names the part and repeats no value of it; does no I/O. */
export function prepareRequest<Input>(
  call: ExternalCall<Input, unknown>,
  origin: Origin,
  input: Input,
  ids: { readonly idempotencyKey: string; readonly correlationId: string },
): PreparedRequest {
  const refuse = (what: string, cause?: unknown): never => {
    throw new InvalidMessageError(`call "${call.name}": ${what}`, { cause });
  };
  if (!KEY.test(ids.idempotencyKey)) refuse('the idempotency key must be 1 to 128 visible ASCII characters');
  if (!isHeaderValue(ids.correlationId) || ids.correlationId.length > 128) refuse('the correlation id cannot be sent as a header');

  const path = typeof call.path === 'function' ? call.path(input) : call.path;
  checkPath(path, refuse);

  const body = serialise(call.body?.(input), refuse);
  const wireHeaders = fixedHeaders(call, origin, body !== undefined, call.headers?.(input), refuse).slice();
  wireHeaders.push('idempotency-key', ids.idempotencyKey, 'x-correlation-id', ids.correlationId);
  if (body) wireHeaders.push('content-length', String(body.length));
  return new PreparedRequest(call.method, path, wireHeaders, body);
}

/** Headers of calls that give none of their own: the same every time. */
const withBody = new WeakMap<Origin, readonly string[]>();
const withoutBody = new WeakMap<Origin, readonly string[]>();

function fixedHeaders(
  call: { readonly headers?: unknown },
  origin: Origin,
  hasBody: boolean,
  own: Readonly<Record<string, string>> | undefined,
  refuse: (what: string) => never,
): readonly string[] {
  const cache = hasBody ? withBody : withoutBody;
  const known = call.headers ? undefined : cache.get(origin);
  if (known) return known;
  const given = { ...origin.headers, ...own };
  const complaint = checkHeaders(given);
  if (complaint) refuse(complaint);
  const headers = new Map<string, string>();
  if (hasBody) headers.set('content-type', 'application/json');
  headers.set('accept', 'application/json');
  headers.set('user-agent', 'checkback');
  for (const [name, value] of Object.entries(given)) headers.set(name.toLowerCase(), value);
  // Evidence is the bytes as they came: nothing compressed is asked for, and nothing is unpacked.
  headers.set('accept-encoding', 'identity');
  const wireHeaders = [...headers].flat();
  if (!call.headers) cache.set(origin, wireHeaders);
  return wireHeaders;
}

function checkPath(path: string, refuse: (what: string) => never): void {
  if (typeof path !== 'string' || path.length > 2048 || !PATH.test(path))
    refuse('the path must begin with one slash and hold visible ASCII only, 2048 characters at most');
  const [beforeQuery = ''] = path.split('?', 1);
  if (DOT_SEGMENT.test(beforeQuery)) refuse('the path must not hold "." or ".." segments');
}

function serialise(value: unknown, refuse: (what: string, cause?: unknown) => never): Buffer | undefined {
  if (value === undefined) return undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    refuse('the body cannot be written as JSON', cause);
  }
  if (text === undefined) return refuse('the body cannot be written as JSON');
  const body = Buffer.from(text);
  if (body.length > MAX_REQUEST_BYTES) refuse(`the body of ${body.length} bytes is over the limit of ${MAX_REQUEST_BYTES}`);
  return body;
}
