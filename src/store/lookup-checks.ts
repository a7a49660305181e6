import type { MikroORM } from '@mikro-orm/mysql';
import { ConfigurationError } from '../errors.ts';
import type { RowExistsLookup } from '../transaction/lookup.ts';

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
  const keys = [
    meta.primaryKeys,
    ...Object.values(meta.properties as Record<string, { name: string; unique?: boolean | string }>).flatMap((property) =>
      property.unique ? [[property.name]] : [],
    ),
    ...meta.uniques.map(({ properties = [] }) => (Array.isArray(properties) ? properties : [properties]).map(String)),
  ];
  if (!keys.some((key) => key.length > 0 && key.every((column) => columns.has(column)))) {
    throw new ConfigurationError(`${at}: ${[...columns].join(', ')} is neither a primary nor a unique key`);
  }
}
