import type { EntityManager, EntityName } from '@mikro-orm/core';
import { ConfigurationError } from '../errors.ts';
import type { AnyMessageListener } from '../worker/message-listener.ts';
import type { OriginalMessage } from './original-message.ts';

type MaybePromise<T> = T | Promise<T>;

/** Which committed rows must have led to a call. */
export interface DeliveryRule<Row> {
  /** Of rows of other kinds in the table, and of rows whose business ended long ago, says nothing. MikroORM's conditions. Default: every row. */
  readonly where?: object;
  /** The property that says when the row was written. */
  readonly writtenAt: keyof Row & string;
  /** A younger row's message may simply be on its way. Default 900,000 (15 minutes). */
  readonly olderThanMs?: number;
  /** What was published again is given that long before it is once more. Default 3,600,000 (an hour). */
  readonly republishAfterMs?: number;
}

/** Where a listener's messages come from, as the business's rows tell it. */
export interface MessageSourceDefinition<Row extends object> {
  /** Names the source in runs and reports; keep it when the code changes. */
  readonly name: string;
  /** Of the listener whose call is in question. */
  readonly listener: AnyMessageListener;
  /** Its primary key must be one column. */
  readonly entity: EntityName<Row>;
  /** The row behind a call. Reads only; `undefined` when there is none. */
  readonly rowOf: (
    em: EntityManager,
    call: { readonly idempotencyKey: string; readonly correlationId: string | undefined },
  ) => MaybePromise<Row | null | undefined>;
  /**
   * The message the row's transaction published: `originalMessage(…)`. Pure. Must lead to the very idempotency key the
   * row stands for; a throw is reported as a break, and nothing is guessed.
   */
  readonly messageOf: (row: Row) => OriginalMessage;
  /** Default: the source serves open calls alone. */
  readonly delivery?: DeliveryRule<Row>;
}

/** A checked, frozen source with its defaults filled in. */
export interface MessageSource<Row extends object = object> extends Omit<MessageSourceDefinition<Row>, 'delivery'> {
  readonly delivery: Required<DeliveryRule<Row>> | undefined;
}

// oxlint-disable-next-line typescript/no-explicit-any -- a source both reads and gives its rows, so no other type holds them all
export type AnyMessageSource = MessageSource<any>;

const NAME = /^[\w.-]{1,100}$/;

/**
 * Says how messages are found again in committed rows: for a call whose worker died with the only copy, and for a row
 * whose message never came. Throws `ConfigurationError` or `RangeError` naming the field; does no I/O.
 */
export const defineMessageSource = <Row extends object>(definition: MessageSourceDefinition<Row>): MessageSource<Row> => {
  const { name, listener, rowOf, messageOf, delivery } = definition;
  if (typeof name !== 'string' || !NAME.test(name))
    throw new ConfigurationError(`message source name ${JSON.stringify(name)} must be 1–100 of A–Z a–z 0–9 . _ -`);
  if (listener?.call === undefined)
    throw new ConfigurationError(`message source "${name}": listener must be a message listener that makes a call`);
  for (const [field, value] of Object.entries({ rowOf, messageOf })) {
    if (typeof value !== 'function') throw new ConfigurationError(`message source "${name}": ${field} must be a function`);
  }
  return Object.freeze({ ...definition, delivery: delivery && resolve(name, delivery) });
};

const resolve = <Row>(name: string, rule: DeliveryRule<Row>): Required<DeliveryRule<Row>> => {
  const { where = {}, writtenAt, olderThanMs = 900_000, republishAfterMs = 3_600_000 } = rule;
  if (typeof writtenAt !== 'string') throw new ConfigurationError(`message source "${name}": delivery.writtenAt must name a property`);
  for (const [option, value] of Object.entries({ olderThanMs, republishAfterMs })) {
    if (!Number.isSafeInteger(value) || value < 0 || value > MAX_MS)
      throw new RangeError(`message source "${name}": delivery.${option} must be a whole number from 0 to ${MAX_MS}, it is ${value}`);
  }
  return Object.freeze({ where, writtenAt, olderThanMs, republishAfterMs });
};

/** A year. */
const MAX_MS = 365 * 86_400_000;
