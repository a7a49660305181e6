import type { EntityManager } from '@mikro-orm/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors.ts';
import type { Lookup } from './lookup.ts';

/** `COMMIT` and nothing returned commit both the rows and the message; `ROLLBACK` undoes both. A throw is a ROLLBACK. */
export type LocalDecision = 'COMMIT' | 'ROLLBACK';

/** What `execute` may know about the transaction it runs in. */
export interface TransactionContext {
  /** UUIDv7; write it into the row, so that the check-back can tell which transaction wrote it. */
  readonly transactionId: string;
  /** Follows the order through all processes. */
  readonly correlationId: string;
  /** Aborts when the local transaction overruns its time; its session is killed then. */
  readonly signal: AbortSignal;
}

/** One kind of decision: rows to write and the message that goes with them. Made by `defineTransactionListener`. */
export interface TransactionListener<Input> {
  /** Unique in the publisher; travels with each half message and routes its check-back. Keep it when the code changes. */
  readonly name: string;
  readonly topic: string;
  readonly tag: string;
  readonly lookup: Lookup;
  /** Refuses bad input before anything is sent or written. Any Standard Schema library. */
  readonly schema?: StandardSchemaV1<Input> | undefined;
  /** What the message carries, as JSON. Default: the input. */
  payload(input: Input): unknown;
  /** Business keys a person can find the message by. No white space. Default: none. */
  keys(input: Input): readonly string[];
  /**
   * Writes the rows. Runs inside the local transaction, after the half message is stored; may run again after a
   * deadlock, so it changes nothing but the database. `em` is flushed before COMMIT and refuses work afterwards.
   */
  execute(em: EntityManager, input: Input, context: TransactionContext): Promise<LocalDecision | void> | LocalDecision | void;
}

/** A listener of any input, for lists of them: what one listener needs is checked where it is defined. */
// oxlint-disable-next-line typescript/no-explicit-any -- a listener both takes and checks its input, so no other type holds them all
export type AnyTransactionListener = TransactionListener<any>;

export interface TransactionListenerDefinition<Input> {
  /** Default: `topic:tag`. */
  readonly name?: string;
  /** A topic of message type TRANSACTION. */
  readonly topic: string;
  readonly tag: string;
  readonly lookup: Lookup;
  readonly schema?: StandardSchemaV1<Input>;
  readonly payload?: (input: Input) => unknown;
  readonly keys?: (input: Input) => readonly string[];
  readonly execute: TransactionListener<Input>['execute'];
}

const KNOWN = new Set(['name', 'topic', 'tag', 'lookup', 'schema', 'payload', 'keys', 'execute']);
// RocketMQ's own rule for topics; tags may not hold the `||` of a filter expression.
const TOPIC = /^[%a-zA-Z0-9_-]{1,127}$/;
const TAG = /^[^\s|\p{Cc}]{1,127}$/u;
const NAME = /^[\x21-\x7e]{1,127}$/;

/** Checks and freezes a listener. Throws `ConfigurationError` naming the field and its value. */
export function defineTransactionListener<Input>(definition: TransactionListenerDefinition<Input>): TransactionListener<Input> {
  const refuse = (field: string, value: unknown, rule: string): never => {
    throw new ConfigurationError(`transaction listener: ${field} must ${rule}, got ${JSON.stringify(value) ?? String(value)}`);
  };
  for (const field of Object.keys(definition)) {
    if (!KNOWN.has(field)) throw new ConfigurationError(`transaction listener: unknown field "${field}"`);
  }
  const { topic, tag, lookup, execute } = definition;
  const name = definition.name ?? `${topic}:${tag}`;
  if (typeof topic !== 'string' || !TOPIC.test(topic)) refuse('topic', topic, 'be 1 to 127 of a-z A-Z 0-9 _ - %');
  if (typeof tag !== 'string' || !TAG.test(tag)) refuse('tag', tag, 'be 1 to 127 characters without white space, control characters or "|"');
  if (!NAME.test(name)) refuse('name', name, 'be 1 to 127 printable ASCII characters without spaces');
  if (typeof lookup !== 'object' || lookup === null || lookup.kind !== 'rowExists') {
    refuse('lookup', lookup, 'name how a check-back finds the decision, such as rowExists(Entity, half => where)');
  }
  if (typeof execute !== 'function') refuse('execute', execute, 'be a function');
  return Object.freeze({
    name,
    topic,
    tag,
    lookup,
    schema: definition.schema,
    payload: definition.payload ?? ((input: Input) => input),
    keys: definition.keys ?? (() => []),
    execute,
  });
}
