import { InvalidMessageError } from '../errors.ts';
import type { CallMethod, ExternalCall } from './external-call.ts';
import { checkHeaders, isHeaderValue } from './http-header.ts';
import type { Origin } from './origin.ts';

/** A request as it leaves, checked; the same bytes for every attempt of one `call()`. */
export interface PreparedRequest {
  readonly method: CallMethod;
  /** Path and query. */
  readonly path: string;
  /** Lower-case names, in sending order. */
  readonly headers: ReadonlyMap<string, string>;
  /** The same as a flat list of names and values. */
  readonly wireHeaders: string[];
  readonly body: Buffer | undefined;
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

  const given = { ...origin.headers, ...call.headers?.(input) };
  const complaint = checkHeaders(given);
  if (complaint) refuse(complaint);

  const body = serialise(call.body?.(input), refuse);
  const headers = new Map<string, string>();
  if (body) headers.set('content-type', 'application/json');
  headers.set('accept', 'application/json');
  headers.set('user-agent', 'checkback');
  for (const [name, value] of Object.entries(given)) headers.set(name.toLowerCase(), value);
  // Evidence is the bytes as they came: nothing compressed is asked for, and nothing is unpacked.
  headers.set('accept-encoding', 'identity');
  headers.set('idempotency-key', ids.idempotencyKey);
  headers.set('x-correlation-id', ids.correlationId);
  if (body) headers.set('content-length', String(body.length));
  return { method: call.method, path, headers, wireHeaders: [...headers].flat(), body };
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
