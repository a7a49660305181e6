import type { EntityName } from '@mikro-orm/core';
import { ConfigurationError } from '../errors.ts';

/** What a look-up sees of the half message it is asked about. */
export interface HalfMessageView<Payload = unknown> {
  /** Identity of the transaction that wrote, or did not write, the row. */
  readonly transactionId: string;
  readonly topic: string;
  readonly tag: string;
  readonly keys: readonly string[];
  readonly payload: Payload;
}

/** The row the local transaction inserts proves that it committed. */
export interface RowExistsLookup<Payload = unknown> {
  readonly kind: 'rowExists';
  readonly entity: EntityName<object>;
  /** Columns and their values, each matched by equality. */
  where(half: HalfMessageView<Payload>): object;
  readonly keyUsedOnce: boolean;
}

/** A row of the engine's own, written in the business transaction, proves that it committed. */
export interface TransactionMarkerLookup {
  readonly kind: 'transactionMarker';
}

/** How a check-back finds out what became of a local transaction. The fence that makes it safe follows from it. */
export type Lookup<Payload = unknown> = RowExistsLookup<Payload> | TransactionMarkerLookup;

/**
 * COMMIT if a row of `entity` matches `where`, ROLLBACK if none does and the transaction is over, UNKNOWN while it may
 * still commit. For flows that insert a row.
 *
 * `where` must go through a primary or unique key and must match the transaction id, so that a second attempt under the
 * same business key is not taken for the first; a key that can never be used by two attempts may say so with
 * `{ keyUsedOnce: true }`. The row is inserted once and keeps its transaction id, and stays as long as the broker may
 * ask: a row that is deleted, archived or given another transaction's id before that turns into "rolled back".
 */
// oxlint-disable-next-line typescript/no-explicit-any -- whoever names the payload's type does not have to name the entity's
export function rowExists<Payload = unknown, Entity extends object = any>(
  entity: EntityName<Entity>,
  where: (half: HalfMessageView<Payload>) => object,
  options: { readonly keyUsedOnce?: boolean } = {},
): RowExistsLookup<Payload> {
  if (typeof where !== 'function') throw new ConfigurationError('rowExists: the second argument must be a function half => where');
  return Object.freeze({ kind: 'rowExists', entity: entity as EntityName<object>, where, keyUsedOnce: options.keyUsedOnce ?? false });
}

/**
 * COMMIT if the business transaction wrote its marker, ROLLBACK once it is certain that it never will. One narrow row a
 * transaction, in the engine's table `transaction_marker`; needs no column of the business. For flows that update rows.
 *
 * With the half sent first, a check-back that comes before the transaction has begun decides it: a healthy order that
 * is that slow is then refused at its marker. The session lock of `rowExists` answers UNKNOWN instead.
 */
export function transactionMarker(): TransactionMarkerLookup {
  return Object.freeze({ kind: 'transactionMarker' });
}
