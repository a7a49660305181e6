import { ConfigurationError } from '../errors.ts';
import { resolveRetryOptions } from './retry-options.ts';
import type { RetryOptions } from './retry-options.ts';

/**
 * Checks what a listener says, also what a type cannot: names, and that exactly one thing is done with its messages.
 * Returns its retry options with their defaults. Throws `ConfigurationError` naming the listener and the field.
 */
export const checkDefinition = (definition: Readonly<Record<string, unknown>>): RetryOptions => {
  for (const [field, { isValid, expected }] of Object.entries({ ...COMMON, ...FIELDS_OF[kindOf(definition)] })) {
    if (!isValid(definition[field])) throw refusal(definition, `${field} must be ${expected}, it is ${shown(definition[field])}`);
  }
  for (const field of Object.keys(definition)) {
    if (!Object.hasOwn(COMMON, field) && !Object.hasOwn(FIELDS_OF[kindOf(definition)], field)) {
      throw refusal(definition, `${field} is not a field of a message listener${isKnown(field) ? ` that has ${kindOf(definition)}` : ''}`);
    }
  }
  try {
    return resolveRetryOptions(definition['retry'] as Partial<RetryOptions> | undefined);
  } catch (cause) {
    throw refusal(definition, (cause as RangeError).message, cause);
  }
};

interface Rule {
  readonly isValid: (value: unknown) => boolean;
  readonly expected: string;
}

const matches =
  (pattern: RegExp) =>
  (value: unknown): boolean =>
    typeof value === 'string' && pattern.test(value);
const isFunction = (value: unknown): boolean => typeof value === 'function';
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
const optional = ({ isValid, expected }: Rule): Rule => ({
  isValid: (value) => value === undefined || isValid(value),
  expected: `${expected}, or left out`,
});
const aFunction: Rule = { isValid: isFunction, expected: 'a function' };

// A schema may be callable (arktype), so it is known by its property alone.
const isStandardSchema = (value: unknown): boolean =>
  (isObject(value) || isFunction(value)) && isObject((value as Record<string, unknown>)['~standard']);
const isVersionMap = (value: object): boolean => {
  const entries = Object.entries(value);
  return entries.length > 0 && entries.every(([version, schema]) => /^[1-9]\d*$/.test(version) && isStandardSchema(schema));
};

/** Names as RocketMQ takes them (`TopicValidator`); a tag is one word, because `||` and `*` are its filter language. */
const COMMON: Readonly<Record<string, Rule>> = {
  name: { isValid: matches(/^[\w.-]{1,100}$/), expected: '1–100 of A–Z a–z 0–9 . _ -' },
  topic: { isValid: matches(/^[%|\w-]{1,127}$/), expected: '1–127 of A–Z a–z 0–9 % | _ -' },
  tag: optional({ isValid: matches(/^[^\s|*]{1,127}$/), expected: 'one tag without white space, | or *' }),
  group: { isValid: matches(/^[%|\w-]{1,255}$/), expected: '1–255 of A–Z a–z 0–9 % | _ -' },
  payload: optional({
    isValid: (value) => isStandardSchema(value) || (isObject(value) && isVersionMap(value as object)),
    expected: 'a Standard Schema, or one for each payload version',
  }),
  serialiseBy: optional(aFunction),
  concurrency: optional({
    isValid: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
    expected: 'a whole number of at least 1',
  }),
  retry: optional({ isValid: isObject, expected: 'an object' }),
};

/** What is done with the messages, and the fields that go with it. */
const FIELDS_OF = {
  call: {
    call: { isValid: isObject, expected: 'a defined external call' },
    input: aFunction,
    idempotencyKey: aFunction,
    onSuccess: optional(aFunction),
    onFail: optional(aFunction),
  },
  handle: { handle: aFunction, idempotencyKey: aFunction },
  process: { process: aFunction },
} as const satisfies Record<string, Readonly<Record<string, Rule>>>;

type Kind = keyof typeof FIELDS_OF;
const KINDS = Object.keys(FIELDS_OF) as Kind[];
const isKnown = (field: string): boolean => KINDS.some((kind) => Object.hasOwn(FIELDS_OF[kind], field));

const kindOf = (definition: Readonly<Record<string, unknown>>): Kind => {
  const named = KINDS.filter((kind) => Object.hasOwn(definition, kind));
  if (named.length === 1) return named[0]!;
  throw refusal(
    definition,
    `call, handle and process: exactly one of them must be there, there ${named.length === 0 ? 'is none' : `are ${named.join(' and ')}`}`,
  );
};

const shown = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : isObject(value) ? 'an object' : String(value);

const refusal = (definition: { readonly name?: unknown }, fault: string, cause?: unknown): ConfigurationError =>
  new ConfigurationError(`message listener ${shown(definition.name)}: ${fault}`, { cause });
