import type { MikroORM } from '@mikro-orm/mysql';
import { type EntityMetadata, RequestContext, TransactionContext } from '@mikro-orm/core';
import { ConfigurationError } from '../errors.ts';
import { messageOf } from '../shared/error-message.ts';
import type { HalfMessageView, Lookup, RowExistsLookup } from '../transaction/lookup.ts';

/** Stands for a message that does not exist yet: every property of its payload is some text. */
const PROBE: HalfMessageView = {
  transactionId: '00000000-0000-7000-8000-000000000000',
  topic: 'probe',
  tag: 'probe',
  keys: [],
  payload: new Proxy({}, { get: () => 'probe' }),
};

/** Refuses, as far as it can be seen before there is a message, listeners whose look-up could not answer exactly. */
export function probeLookups(orm: MikroORM, listeners: readonly { readonly name: string; readonly lookup: Lookup }[]): void {
  for (const { name, lookup } of listeners) {
    if (lookup.kind !== 'rowExists') continue;
    try {
      assertLookupIsExact(orm, lookup, lookup.where(PROBE), PROBE.transactionId, { probing: true });
    } catch (error) {
      // A `where` that computes with the payload cannot be probed; it is checked with each real message instead.
      if (error instanceof TypeError) continue;
      throw new ConfigurationError(`listener "${name}": ${messageOf(error)}`, { cause: error });
    }
  }
}

/** Refuses `transactionMarker()` without its table; `ask` runs a statement. */
export async function requireMarkerTable(
  listeners: readonly { readonly lookup: Lookup }[],
  ask: (sql: string) => Promise<unknown>,
): Promise<void> {
  if (!listeners.some(({ lookup }) => lookup.kind === 'transactionMarker')) return;
  await ask('select id from transaction_marker limit 1').catch((error: unknown) => {
    throw new ConfigurationError(
      `transactionMarker() needs the table transaction_marker; run "checkback migrate up": ${messageOf(error)}`,
      { cause: error },
    );
  });
}

/** Whether the caller is in a transaction of its own on this ORM, by MikroORM's own contexts. */
export function isInTransactionOf(orm: MikroORM): boolean {
  const { name } = orm.em;
  return (TransactionContext.getEntityManager(name) ?? RequestContext.getEntityManager(name))?.isInTransaction() ?? false;
}

/**
 * Refuses a `where` that could answer for another transaction, or that would have to scan: it must hold the transaction
 * id (unless the key is used only once) and every column of a primary or unique key, each by equality.
 */
export function assertLookupIsExact(
  orm: MikroORM,
  lookup: RowExistsLookup,
  where: unknown,
  transactionId: string,
  options: { probing?: boolean } = {},
): void {
  const meta = orm.getMetadata().get(lookup.entity as never);
  const at = `look-up of ${meta.className}`;
  if (typeof where !== 'object' || where === null || Array.isArray(where) || Object.keys(where).length === 0) {
    throw new ConfigurationError(`${at}: where must be an object of columns and values, got ${JSON.stringify(where) ?? String(where)}`);
  }
  for (const [column, value] of Object.entries(where)) {
    if (meta.properties[column as never] === undefined)
      throw new ConfigurationError(`${at}: ${meta.className} has no property "${column}"`);
    if (!options.probing && (value === undefined || value === null))
      throw new ConfigurationError(`${at}: "${column}" is ${String(value)}; a row cannot be found by that`);
    if (typeof value === 'object' && value !== null) throw new ConfigurationError(`${at}: "${column}" must be matched by equality`);
  }
  if (!lookup.keyUsedOnce && !Object.values(where).includes(transactionId)) {
    throw new ConfigurationError(
      `${at}: where does not match the transaction id, so a second attempt under the same key would be taken for the first; add the column that holds half.transactionId, or say { keyUsedOnce: true }`,
    );
  }
  const columns = new Set(Object.keys(where));
  const keys = keysOf(meta);
  if (!keys.some((key) => key.length > 0 && key.every((column) => columns.has(column)))) {
    throw new ConfigurationError(`${at}: ${[...columns].join(', ')} is neither a primary nor a unique key`);
  }
}

type Keys = readonly (readonly string[])[];
/** Asked for with each message; an entity's keys do not change. */
const knownKeys = new WeakMap<object, Keys>();

function keysOf(meta: EntityMetadata): Keys {
  let keys = knownKeys.get(meta);
  if (keys !== undefined) return keys;
  keys = [
    meta.primaryKeys,
    ...Object.values(meta.properties as Record<string, { name: string; unique?: boolean | string }>).flatMap((property) =>
      property.unique ? [[property.name]] : [],
    ),
    ...meta.uniques.map(({ properties = [] }) => (Array.isArray(properties) ? properties : [properties]).map(String)),
  ];
  knownKeys.set(meta, keys);
  return keys;
}
