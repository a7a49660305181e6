import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { RawAnswer } from './exchange.ts';
import type { CallAnswer } from './external-call.ts';

/**
 * Parses a complete answer; `undefined` when a 2xx has a body that is not what its headers say. Refusals count by their
 * status, so an unreadable body of theirs is passed on as text. Throws nothing.
 */
export function readAnswer(raw: RawAnswer): CallAnswer | undefined {
  const body = readBody(raw.body, headerOf(raw, 'content-type') ?? '', headerOf(raw, 'content-encoding'));
  if (!body && raw.httpStatus < 300) return undefined;
  return new ReadAnswer(raw, body ? body.value : raw.body.toString('utf8'));
}

/** Most answers are understood without a look at their other headers. */
class ReadAnswer implements CallAnswer {
  readonly httpStatus: number;
  readonly response: unknown;
  readonly #raw: RawAnswer;
  #headers: Record<string, string> | undefined;

  constructor(raw: RawAnswer, response: unknown) {
    this.httpStatus = raw.httpStatus;
    this.response = response;
    this.#raw = raw;
  }

  get headers(): Readonly<Record<string, string>> {
    if (this.#headers) return this.#headers;
    const headers = { __proto__: null } as unknown as Record<string, string>;
    for (const [name, value] of this.#raw.headers) headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
    return (this.#headers = headers);
  }
}

function headerOf({ headers }: RawAnswer, wanted: string): string | undefined {
  let joined: string | undefined;
  for (const [name, value] of headers) if (name === wanted) joined = joined === undefined ? value : `${joined}, ${value}`;
  return joined;
}

/** Reads a body by its content type: JSON, or text for anything else, `undefined` for none. */
export function readBody(body: Buffer, contentType: string, contentEncoding?: string): { readonly value: unknown } | undefined {
  if (body.length === 0) return { value: undefined };
  // Only identity was asked for; unpacking the unasked would invite bombs.
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity') return undefined;
  const text = body.toString('utf8');
  if (!isJson(contentType)) return { value: text };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

const isJson = (contentType: string): boolean => /^application\/(?:[\w.-]+\+)?json\b/i.test(contentType.trim());

/** Checks a value against a schema. The complaint names places, never values; a schema that throws is a complaint too. */
export async function validate<T>(
  schema: StandardSchemaV1<unknown, T>,
  value: unknown,
): Promise<{ readonly value: T } | { readonly complaint: string }> {
  try {
    const result = await schema['~standard'].validate(value);
    if (!result.issues) return { value: result.value };
    const places = result.issues
      .slice(0, 5)
      .map(({ path }) => path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'the whole');
    return { complaint: `does not match its schema at ${places.join(', ').slice(0, 300)}` };
  } catch {
    return { complaint: 'could not be checked: its schema threw' };
  }
}
