const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/;
// CR, LF, NUL and every other control character would let a value become a header or a request of its own.
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Headers that decide how a request is framed or identified; the gateway alone writes them. */
const RESERVED: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'idempotency-key',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-correlation-id',
]);

export const isHeaderValue = (value: unknown): value is string => typeof value === 'string' && value.length <= 8192 && VALUE.test(value);

/** What is wrong with headers given by a definition or an origin, naming the header and never its value; `undefined` when nothing is. */
export function checkHeaders(headers: Readonly<Record<string, string>>): string | undefined {
  for (const [name, value] of Object.entries(headers)) {
    if (!TOKEN.test(name)) return `${JSON.stringify(name.slice(0, 64))} is no header name`;
    if (RESERVED.has(name.toLowerCase())) return `header "${name}" is the gateway's own`;
    if (!isHeaderValue(value)) return `header "${name}" has a value that cannot be sent`;
  }
  return undefined;
}
