import type { EntityManager } from '@mikro-orm/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors.ts';
import type { CallRejectedError } from '../errors.ts';
import type { ExternalCall } from '../gateway/external-call.ts';
import { resolveRetryOptions } from './retry-options.ts';
import type { RetryOptions } from './retry-options.ts';

/** A delivered message as a listener sees it: decoded, validated, typed. */
export interface ListenerMessage<Payload> {
  /** What the schema returned; the parsed JSON as it is when the listener has no schema. */
  readonly payload: Payload;
  /** Follows one order through producer, worker and institution. */
  readonly correlationId: string;
  /** The local transaction that published the message; absent on messages of other producers. */
  readonly transactionId: string | undefined;
  /** The broker's id. Not an identity: two containers can make the same one. */
  readonly messageId: string;
  readonly topic: string;
  readonly tag: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  /** 1 at the first delivery. */
  readonly deliveryAttempt: number;
}

/** One schema for every version of a payload, or one for each: `{ 1: old, 2: current }`. */
export type PayloadSchema<Payload> =
  | StandardSchemaV1<unknown, Payload>
  | { readonly [version: number]: StandardSchemaV1<unknown, Payload> };

/** What a listener says: which messages, which call they lead to, and what the call's end does to our rows. */
export interface MessageListenerDefinition<Payload, CallInput, Response> {
  /** Names the listener in logs, statistics and errors. */
  readonly name: string;
  readonly topic: string;
  /** Only messages of this tag; others on the topic are acknowledged unread. Default: every message. */
  readonly tag?: string;
  /** Consumer group: every group gets each message once, its workers share them. */
  readonly group: string;
  /**
   * Any Standard Schema (zod, valibot, arktype, …), or one for each payload version that may still arrive, each giving the
   * shape of today. A version that is not among them is dead-lettered at once. Default: the parsed JSON, unvalidated.
   */
  readonly payload?: PayloadSchema<Payload>;
  readonly call: ExternalCall<CallInput, Response>;
  /** The call's input. Pure; an `InvalidMessageError` thrown here dead-letters the message at once. */
  readonly input: (message: ListenerMessage<Payload>) => CallInput;
  /**
   * One business effect per key. Must be the same for every delivery of the same order, whatever the attempt, so it is
   * taken from the payload (an order id) and never from the message id.
   */
  readonly idempotencyKey: (message: ListenerMessage<Payload>) => string;
  /**
   * Runs in the transaction that records SUCCESS, so both happen or neither, once per idempotency key. Not always in
   * the delivery's worker: a status check that finds the order at the institution runs it without any new delivery.
   */
  readonly onSuccess?: (em: EntityManager, end: { message: ListenerMessage<Payload>; response: Response }) => Promise<void>;
  /** Runs in the transaction that records FAIL, as `onSuccess` does for SUCCESS. The place for a compensation. */
  readonly onFail?: (
    em: EntityManager,
    end: { message: ListenerMessage<Payload>; error: CallRejectedError; response: unknown },
  ) => Promise<void>;
  /** Deliveries of this listener worked at once in one worker. Default: the worker's. */
  readonly concurrency?: number;
  /** Default: `DEFAULT_RETRY_OPTIONS`, each option by itself. */
  readonly retry?: Partial<RetryOptions>;
}

/** A checked, frozen listener definition. Holds no resource: any number of workers may run the same one. */
export interface MessageListener<Payload, CallInput, Response> extends Omit<
  MessageListenerDefinition<Payload, CallInput, Response>,
  'retry'
> {
  readonly retry: RetryOptions;
}

/** A listener of any payload, for lists of them: what one listener needs is checked where it is defined. */
// oxlint-disable-next-line typescript/no-explicit-any -- a listener both takes and gives its payload, so no other type holds them all
export type AnyMessageListener = MessageListener<any, any, any>;

/** Checks a listener definition at once and freezes it. Throws `ConfigurationError` naming the listener and the field. */
export const defineMessageListener = <Payload, CallInput, Response = unknown>(
  definition: MessageListenerDefinition<Payload, CallInput, Response>,
): MessageListener<Payload, CallInput, Response> => {
  for (const [field, { isValid, expected }] of Object.entries<Rule>(RULES)) {
    const value = (definition as unknown as Record<string, unknown>)[field];
    if (!isValid(value)) throw refusal(definition, `${field} must be ${expected}, it is ${shown(value)}`);
  }
  for (const field of Object.keys(definition)) {
    if (!Object.hasOwn(RULES, field)) throw refusal(definition, `${field} is not a field of a message listener`);
  }
  try {
    return Object.freeze({ ...definition, retry: resolveRetryOptions(definition.retry) });
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

// A schema may be callable (arktype), so it is known by its property alone.
const isStandardSchema = (value: unknown): boolean =>
  (isObject(value) || isFunction(value)) && isObject((value as Record<string, unknown>)['~standard']);
const isVersionMap = (value: object): boolean => {
  const entries = Object.entries(value);
  return entries.length > 0 && entries.every(([version, schema]) => /^[1-9]\d*$/.test(version) && isStandardSchema(schema));
};

/** Names as RocketMQ takes them (`TopicValidator`); a tag is one word, because `||` and `*` are its filter language. */
const RULES: Record<keyof MessageListenerDefinition<unknown, unknown, unknown>, Rule> = {
  name: { isValid: matches(/^[\w.-]{1,100}$/), expected: '1–100 of A–Z a–z 0–9 . _ -' },
  topic: { isValid: matches(/^[%|\w-]{1,127}$/), expected: '1–127 of A–Z a–z 0–9 % | _ -' },
  tag: optional({ isValid: matches(/^[^\s|*]{1,127}$/), expected: 'one tag without white space, | or *' }),
  group: { isValid: matches(/^[%|\w-]{1,255}$/), expected: '1–255 of A–Z a–z 0–9 % | _ -' },
  payload: optional({
    isValid: (value) => isStandardSchema(value) || (isObject(value) && isVersionMap(value as object)),
    expected: 'a Standard Schema, or one for each payload version',
  }),
  call: { isValid: isObject, expected: 'a defined external call' },
  input: { isValid: isFunction, expected: 'a function' },
  idempotencyKey: { isValid: isFunction, expected: 'a function' },
  onSuccess: optional({ isValid: isFunction, expected: 'a function' }),
  onFail: optional({ isValid: isFunction, expected: 'a function' }),
  concurrency: optional({
    isValid: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
    expected: 'a whole number of at least 1',
  }),
  retry: optional({ isValid: isObject, expected: 'an object' }),
};

const shown = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : isObject(value) ? 'an object' : String(value);

const refusal = (definition: { name?: unknown }, fault: string, cause?: unknown): ConfigurationError =>
  new ConfigurationError(`message listener ${shown(definition.name)}: ${fault}`, { cause });
