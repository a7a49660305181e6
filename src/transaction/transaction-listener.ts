import type { EntityManager } from '@mikro-orm/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { inspect } from 'node:util';
import { ConfigurationError } from '../errors.ts';
import type { Lookup } from './lookup.ts';
import type { SqlTransaction } from './sql-transaction.ts';

/** `COMMIT` and nothing returned commit both the rows and the message; `ROLLBACK` undoes both. A throw is a ROLLBACK. */
export type LocalDecision = 'COMMIT' | 'ROLLBACK';

/** COMMIT, together with what the local transaction produced for the message. Made by `commitWith`. */
export interface CommitWith<Produced> {
  readonly decision: 'COMMIT';
  readonly produced: Produced;
}

/** Decides COMMIT and hands something to `payload` and `keys`, a generated id for example. For `half: 'beforeCommit'` only. */
export function commitWith<Produced>(produced: Produced): CommitWith<Produced> {
  return Object.freeze({ decision: 'COMMIT', produced });
}

/**
 * When the half message leaves. `first`: before BEGIN; nothing is written when the broker is down. `overlapped`: side by
 * side with BEGIN and `execute`. `beforeCommit`: after `execute`, so that the payload may use what it produced and a
 * business rollback costs the broker nothing; row locks are held for one send. All three are equally safe.
 */
export type HalfMode = 'first' | 'overlapped' | 'beforeCommit';

/** What `execute` may know about the transaction it runs in. */
export interface TransactionContext {
  /** UUIDv7; write it into the row, so that the check-back can tell which transaction wrote it. */
  readonly transactionId: string;
  /** Follows the order through all processes. */
  readonly correlationId: string;
  /** Aborts when the local transaction overruns its time; its session is killed then. */
  readonly signal: AbortSignal;
}

/** A message that goes with the decision. */
export interface MessageTemplate<Input, Produced = unknown> {
  /** A topic of message type TRANSACTION; with an outbox of type NORMAL or DELAY. */
  readonly topic: string;
  readonly tag: string;
  /** Says which shape the payload has; travels with the message. A whole number from 1. Default 1. */
  readonly version?: number;
  /** What the message carries, as JSON. Default: the input. `produced` is there with `half: 'beforeCommit'` only. */
  readonly payload?: (input: Input, produced: Produced) => unknown;
  /** Business keys a person can find the message by. No white space. Default: none. */
  readonly keys?: (input: Input, produced: Produced) => readonly string[];
}

export interface TransactionListenerBase<Input, Produced> {
  /** Unique in the publisher; travels with each half message and routes its check-back. Keep it when the code changes. Default: `topic:tag` of the first message. */
  readonly name?: string;
  /** How a check-back finds the decision: `rowExists(…)` or `transactionMarker()`. With an outbox its rows are the proof, and this is not used. */
  readonly lookup: Lookup;
  /** Default `first`. With an outbox there is no half; `beforeCommit` still says that the payload uses what `execute` produced. */
  readonly half?: HalfMode;
  /** Refuses bad input before anything is sent or written. Any Standard Schema library. */
  readonly schema?: StandardSchemaV1<Input>;
  /** Name of the database that takes this input, for publishers with several. */
  readonly database?: (input: Input) => string;
  /**
   * Writes the rows; give this or `executeSql`. Runs inside the local transaction; runs again after a deadlock, so it changes nothing but the
   * database. `em` is flushed before COMMIT and refuses work afterwards.
   */
  readonly execute?: (em: EntityManager, input: Input, context: TransactionContext) => Decided<Produced>;
  /** In place of `execute`, under the same rules and guarantees: statements on the transaction's connection, at a part of an entity manager's cost. */
  readonly executeSql?: (sql: SqlTransaction, input: Input, context: TransactionContext) => Decided<Produced>;
  /**
   * Undoes an order that has committed and whose message could not be kept: strategy `localSegmentedOutbox` with
   * `onAppendFailure: 'compensate'` asks for it, nothing else calls it. Runs in a transaction of its own, again after a deadlock.
   */
  readonly compensate?: (em: EntityManager, input: Input, context: TransactionContext) => MaybePromise<void>;
}

type MaybePromise<T> = T | Promise<T>;
type Decided<Produced> = MaybePromise<LocalDecision | CommitWith<Produced> | void>;

/** One message, written in the definition itself, or several under `messages`: all are delivered or none. */
export type TransactionListenerDefinition<Input, Produced = unknown> = TransactionListenerBase<Input, Produced> &
  (MessageTemplate<Input, Produced> | { readonly messages: readonly MessageTemplate<Input, Produced>[] });

/** One kind of decision: rows to write and the messages that go with them. Made by `defineTransactionListener`; frozen. */
export interface TransactionListener<Input, Produced = unknown> extends TransactionListenerBase<Input, Produced> {
  readonly name: string;
  readonly half: HalfMode;
  readonly messages: readonly Required<MessageTemplate<Input, Produced>>[];
}

/** A listener of any input, for lists of them: what one listener needs is checked where it is defined. */
// oxlint-disable-next-line typescript/no-explicit-any -- a listener both takes and checks its input, so no other type holds them all
export type AnyTransactionListener = TransactionListener<any, any>;

const MESSAGE_FIELDS = ['topic', 'tag', 'version', 'payload', 'keys'];
const LISTENER_FIELDS = ['name', 'lookup', 'half', 'schema', 'database', 'execute', 'executeSql', 'compensate'];
const HALF_MODES: readonly unknown[] = ['first', 'overlapped', 'beforeCommit'] satisfies HalfMode[];
const LOOKUPS: readonly unknown[] = ['rowExists', 'transactionMarker'] satisfies Lookup['kind'][];
// RocketMQ's own rule for topics; tags may not hold the `||` of a filter expression.
const TOPIC = /^[%a-zA-Z0-9_-]{1,127}$/;
const TAG = /^[^\s|\p{Cc}]{1,127}$/u;
const NAME = /^[\x21-\x7e]{1,127}$/;

/** Checks and freezes a listener. Throws `ConfigurationError` naming the field and its value. */
export function defineTransactionListener<Input, Produced = unknown>(
  definition: TransactionListenerDefinition<Input, Produced>,
): TransactionListener<Input, Produced> {
  const several = 'messages' in definition;
  refuseUnknown(definition, several ? [...LISTENER_FIELDS, 'messages'] : [...LISTENER_FIELDS, ...MESSAGE_FIELDS]);
  const templates = several ? definition.messages : [pickMessage(definition)];
  if (!Array.isArray(templates) || templates.length === 0) refuse('messages', templates, 'be an array of at least one message');
  const messages = Object.freeze(templates.map((template) => resolveMessage(template)));
  const name = definition.name ?? `${messages[0]!.topic}:${messages[0]!.tag}`;
  if (typeof name !== 'string' || !NAME.test(name)) refuse('name', name, 'be 1 to 127 printable ASCII characters without spaces');
  const { lookup, half = 'first', schema, database, execute, executeSql, compensate } = definition;
  if (!LOOKUPS.includes(lookup?.kind))
    refuse('lookup', lookup, 'name how a check-back finds the decision: rowExists(Entity, half => where) or transactionMarker()');
  if (!HALF_MODES.includes(half)) refuse('half', half, `be one of ${HALF_MODES.join(', ')}`);
  if (execute !== undefined && executeSql !== undefined) refuse('executeSql', executeSql, 'be left out when there is an execute');
  const work = execute ?? executeSql;
  if (typeof work !== 'function') refuse(executeSql === undefined ? 'execute' : 'executeSql', work, 'be a function');
  if (compensate !== undefined && typeof compensate !== 'function') refuse('compensate', compensate, 'be a function');
  if (database !== undefined && typeof database !== 'function') refuse('database', database, 'be a function input => name');
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') refuse('schema', schema, 'be a Standard Schema');
  const optional = { execute, executeSql, compensate, schema, database };
  return Object.freeze({ name, lookup, half, messages, ...withoutUndefined(optional) });
}

function resolveMessage<Input, Produced>(template: MessageTemplate<Input, Produced>): Required<MessageTemplate<Input, Produced>> {
  refuseUnknown(template, MESSAGE_FIELDS);
  const { topic, tag, version = 1, payload = (input: Input) => input, keys = () => [] } = template;
  if (typeof topic !== 'string' || !TOPIC.test(topic)) refuse('topic', topic, 'be 1 to 127 of a-z A-Z 0-9 _ - %');
  if (typeof tag !== 'string' || !TAG.test(tag))
    refuse('tag', tag, 'be 1 to 127 characters without white space, control characters or "|"');
  if (!Number.isSafeInteger(version) || version < 1) refuse('version', version, 'be a whole number from 1');
  if (typeof payload !== 'function') refuse('payload', payload, 'be a function');
  if (typeof keys !== 'function') refuse('keys', keys, 'be a function');
  return Object.freeze({ topic, tag, version, payload, keys });
}

function pickMessage<Input, Produced>(definition: MessageTemplate<Input, Produced>): MessageTemplate<Input, Produced> {
  return Object.fromEntries(Object.entries(definition).filter(([field]) => MESSAGE_FIELDS.includes(field))) as unknown as MessageTemplate<
    Input,
    Produced
  >;
}

/** So that what was left out is not there, as `exactOptionalPropertyTypes` has it. */
function withoutUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function refuseUnknown(definition: object, known: readonly string[]): void {
  for (const field of Object.keys(definition)) {
    if (!known.includes(field)) throw new ConfigurationError(`transaction listener: unknown field "${field}"`);
  }
}

function refuse(field: string, value: unknown, rule: string): never {
  throw new ConfigurationError(`transaction listener: ${field} must ${rule}, got ${inspect(value, { depth: 1 })}`);
}
