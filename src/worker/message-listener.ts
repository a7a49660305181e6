import type { EntityManager } from '@mikro-orm/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { CallRejectedError } from '../errors.ts';
import type { ExternalCall } from '../gateway/external-call.ts';
import { checkDefinition } from './listener-rules.ts';
import type { RetryOptions, RetryPolicy } from './retry-options.ts';

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

/** What every listener says, whatever it does with its messages. */
export interface ListenerDefinition<Payload> {
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
  /**
   * At most one message of a key is worked at a time within one worker; the next one of the key waits for it. It says
   * nothing about order, and nothing about other workers of the group. Default: messages do not wait for each other.
   */
  readonly serialiseBy?: (message: ListenerMessage<Payload>) => string;
  /** Deliveries of this listener worked at once in one worker. Default: the worker's. */
  readonly concurrency?: number;
  /** Default: `DEFAULT_RETRY_OPTIONS`, each option by itself. */
  readonly retry?: RetryPolicy;
}

/** A listener whose messages lead to a call: which call, and what the call's end does to our rows. */
export interface MessageListenerDefinition<Payload, CallInput, Response> extends ListenerDefinition<Payload> {
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
  readonly handle?: never;
  readonly process?: never;
}

/** A listener whose messages change our own rows, each once. */
export interface HandlingListenerDefinition<Payload> extends ListenerDefinition<Payload> {
  /**
   * Runs in a transaction that also records (listener, idempotency key), so that one effect is left per key, however
   * often the message comes. A throw rolls both back and the message is retried. Nothing but the database is undone:
   * what reaches outside belongs into a `call`. `signal` aborts when the handler took too long or the worker closes.
   */
  readonly handle: (em: EntityManager, message: ListenerMessage<Payload>, context: { readonly signal: AbortSignal }) => Promise<void>;
  /** As for a call: the same for every delivery of the same order. */
  readonly idempotencyKey: (message: ListenerMessage<Payload>) => string;
  readonly call?: never;
  readonly input?: never;
  readonly onSuccess?: never;
  readonly onFail?: never;
  readonly process?: never;
}

/** A listener that does what it does, without a database of ours. */
export interface ProcessingListenerDefinition<Payload> extends ListenerDefinition<Payload> {
  /**
   * Runs at every delivery, and a message may be delivered more than once, also at the same time in two workers: being
   * idempotent is up to it. Resolving acknowledges the message, rejecting retries it, an `InvalidMessageError`
   * dead-letters it. `signal` aborts when it took too long or the worker closes.
   */
  readonly process: (message: ListenerMessage<Payload>, context: { readonly signal: AbortSignal }) => void | Promise<void>;
  readonly idempotencyKey?: never;
  readonly call?: never;
  readonly input?: never;
  readonly onSuccess?: never;
  readonly onFail?: never;
  readonly handle?: never;
}

/** A checked, frozen definition. Holds no resource: any number of workers may run the same one. */
type Checked<Definition> = Omit<Definition, 'retry'> & { readonly retry: RetryOptions };

/** A checked, frozen listener that makes a call. */
export interface MessageListener<Payload, CallInput, Response> extends Checked<MessageListenerDefinition<Payload, CallInput, Response>> {}
/** A checked, frozen listener that changes our rows. */
export interface HandlingListener<Payload> extends Checked<HandlingListenerDefinition<Payload>> {}
/** A checked, frozen listener without a database. */
export interface ProcessingListener<Payload> extends Checked<ProcessingListenerDefinition<Payload>> {}

/* oxlint-disable typescript/no-explicit-any -- a listener both takes and gives its payload, so no other type holds them all */
/** A listener that makes a call, of any payload, for lists of them: what one listener needs is checked where it is defined. */
export type AnyMessageListener = MessageListener<any, any, any>;
/** A listener of any kind and any payload. */
export type AnyListener = AnyMessageListener | HandlingListener<any> | ProcessingListener<any>;
/* oxlint-enable typescript/no-explicit-any */

/**
 * Checks a listener definition at once and freezes it. A listener has exactly one of `process`, `handle` and `call`.
 * Throws `ConfigurationError` naming the listener and the field.
 */
export function defineMessageListener<Payload>(definition: HandlingListenerDefinition<Payload>): HandlingListener<Payload>;
export function defineMessageListener<Payload>(definition: ProcessingListenerDefinition<Payload>): ProcessingListener<Payload>;
export function defineMessageListener<Payload, CallInput, Response = unknown>(
  definition: MessageListenerDefinition<Payload, CallInput, Response>,
): MessageListener<Payload, CallInput, Response>;
export function defineMessageListener(definition: { readonly retry?: RetryPolicy }): unknown {
  return Object.freeze({ ...definition, retry: checkDefinition(definition as Readonly<Record<string, unknown>>) });
}
