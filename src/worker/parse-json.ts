import { InvalidMessageError } from '../errors.ts';

/** What a body may be at most; beyond it the message is refused before it costs anything. */
export interface JsonLimits {
  /** Bytes of the body. Default 4 MiB, the broker's own `maxMessageSize`. */
  readonly maxBytes: number;
  /** Arrays and objects inside each other. Default 64. */
  readonly maxDepth: number;
}

export const DEFAULT_JSON_LIMITS: JsonLimits = Object.freeze({ maxBytes: 4_194_304, maxDepth: 64 });

/**
 * The value in a UTF-8 JSON body. Throws `InvalidMessageError` on a body over the limits, on malformed UTF-8 or JSON,
 * and on keys that reach for a prototype (`__proto__`, `constructor.prototype`), at any depth and however escaped.
 * The stack it needs does not depend on the body. No message quotes the body: it may hold secrets.
 */
export const parseJson = (body: Uint8Array, limits: JsonLimits = DEFAULT_JSON_LIMITS): unknown => {
  if (body.byteLength > limits.maxBytes) {
    throw new InvalidMessageError(`body of ${body.byteLength} bytes is over the limit of ${limits.maxBytes}`);
  }
  refuseNesting(body, limits.maxDepth);
  const value = parse(decodeUtf8(body));
  refusePrototypeKeys(value);
  return value;
};

const decodeUtf8 = (body: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw new InvalidMessageError('body is not UTF-8', { cause });
  }
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // No cause: V8's SyntaxError quotes the text around the fault.
    throw new InvalidMessageError(`body of ${text.length} characters is not JSON`);
  }
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Counts brackets outside strings. On bytes: no byte of a multi-byte UTF-8 character looks like one of these. */
const refuseNesting = (body: Uint8Array, maxDepth: number): void => {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at]!;
    if (isInString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    else if (OPENING.has(byte)) {
      depth += 1;
      if (depth > maxDepth) throw new InvalidMessageError(`body nests deeper than ${maxDepth}`);
    } else if (CLOSING.has(byte)) depth -= 1;
  }
};

const refusePrototypeKeys = (root: unknown): void => {
  const open: unknown[] = [root];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, child] of Object.entries(value)) {
      if (key === '__proto__') throw new InvalidMessageError('body holds a key __proto__');
      if (key === 'constructor' && typeof child === 'object' && child !== null && Object.hasOwn(child, 'prototype')) {
        throw new InvalidMessageError('body holds a key constructor.prototype');
      }
      open.push(child);
    }
  }
};
