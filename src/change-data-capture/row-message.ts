import type { EntityName } from '@mikro-orm/core';
import { ConfigurationError } from '../errors.ts';
import type { AnyTransactionListener, TransactionListener } from '../transaction/transaction-listener.ts';

/** What only the row knows of the message it leads to. */
export interface RowIds<Produced = unknown> {
  /** The transaction that wrote the row, as `execute` was told; workers and look-ups know the order by it. */
  readonly transactionId: string;
  /** Default: the transaction id, as `publish()` does when its caller names none. */
  readonly correlationId?: string | undefined;
  /** For listeners with `commitWith`: what the transaction produced. */
  readonly produced?: Produced;
}

/** Which committed row changes are which listener's messages. */
export interface RowMessageDefinition<Row extends object, Input, Produced = unknown> {
  /** Whose messages they are: all of its messages, built with its own `payload` and `keys`. */
  readonly listener: TransactionListener<Input, Produced>;
  /** The table, as MikroORM knows it. */
  readonly entity: EntityName<Row>;
  /** Default `insert`. */
  readonly on?: 'insert' | 'update';
  /**
   * Which of these changes count, by the row after and, for an update, before. Pure. Must be given for updates: a condition
   * that holds after and did not before. Default: every insert.
   */
  readonly when?: (after: Row, before: Row | undefined) => boolean;
  /** The input that was published, from the row. Pure. */
  readonly inputOf: (row: Row) => Input;
  readonly idsOf: (row: Row) => RowIds<Produced>;
  /**
   * The properties that the functions above read: no other column of the table is looked at, so that the others may be
   * renamed, retyped, added and dropped. Default: all of the entity's columns.
   */
  readonly columns?: readonly (keyof Row & string)[] | undefined;
}

/** A checked, frozen row message. Made by `defineRowMessage`. */
export interface RowMessage<Row extends object = object, Input = unknown, Produced = unknown> extends Omit<
  RowMessageDefinition<Row, Input, Produced>,
  'on' | 'when' | 'columns'
> {
  readonly on: 'insert' | 'update';
  readonly when: (after: Row, before: Row | undefined) => boolean;
  readonly columns: readonly (keyof Row & string)[] | undefined;
}

// oxlint-disable-next-line typescript/no-explicit-any -- it both reads rows and gives input, so no other type holds them all
export type AnyRowMessage = RowMessage<any, any, any>;

/**
 * Declares which committed rows are a listener's messages, for the strategy `changeDataCapture`. Consumers cannot tell them
 * from those of another strategy. Throws `ConfigurationError` naming the field; does no I/O.
 */
export const defineRowMessage = <Row extends object, Input, Produced = unknown>(
  definition: RowMessageDefinition<Row, Input, Produced>,
): RowMessage<Row, Input, Produced> => {
  const { listener, entity, on = 'insert', when, inputOf, idsOf, columns } = definition;
  const where = `row message of listener "${listener?.name}"`;
  if (typeof listener?.name !== 'string' || !Array.isArray(listener.messages))
    throw new ConfigurationError('row message: listener must be a transaction listener, made by defineTransactionListener');
  if (entity === undefined || entity === null) throw new ConfigurationError(`${where}: entity must be a MikroORM entity`);
  if (on !== 'insert' && on !== 'update') throw new ConfigurationError(`${where}: on must be insert or update, got ${String(on)}`);
  if (on === 'update' && when === undefined)
    throw new ConfigurationError(`${where}: when must be given for updates: a condition that holds after and did not before`);
  for (const [field, value] of Object.entries({ inputOf, idsOf, ...(when && { when }) })) {
    if (typeof value !== 'function') throw new ConfigurationError(`${where}: ${field} must be a function`);
  }
  if (columns !== undefined && (!Array.isArray(columns) || columns.length === 0))
    throw new ConfigurationError(`${where}: columns must be an array of at least one property`);
  return Object.freeze({
    listener,
    entity,
    on,
    when: when ?? (() => true),
    inputOf,
    idsOf,
    columns: columns && Object.freeze([...columns]),
  });
};

/** Throws `ConfigurationError` when none is there, or two say the same change of the same table is the same listener's. */
export const refuseTwins = (rowMessages: readonly AnyRowMessage[]): void => {
  if (rowMessages.length === 0)
    throw new ConfigurationError('changeDataCapture: rowMessages must say which rows are messages: defineRowMessage({ … })');
  for (const [index, { listener, entity, on }] of rowMessages.entries()) {
    const isTwin = rowMessages.slice(0, index).some((other) => other.listener === listener && other.entity === entity && other.on === on);
    if (isTwin)
      throw new ConfigurationError(
        `changeDataCapture: two row messages take each ${on} of one table for listener "${listener.name}"; make them one`,
      );
  }
};

/** Throws `ConfigurationError` naming the listeners whose messages no row leads to. */
export const refuseUnmapped = (listeners: readonly AnyTransactionListener[], rowMessages: readonly AnyRowMessage[]): void => {
  const mapped = new Set(rowMessages.map(({ listener }) => listener.name));
  const without = listeners.filter(({ name }) => !mapped.has(name)).map(({ name }) => `"${name}"`);
  if (without.length > 0)
    throw new ConfigurationError(
      `changeDataCapture: no row message for listener ${without.join(', ')}: its messages would never leave; add defineRowMessage({ listener, entity, inputOf, idsOf })`,
    );
};
