import type { MikroORM } from '@mikro-orm/mysql';
import { MARKER_HORIZON_MS } from './transaction-marker.ts';

/**
 * Removes the markers nobody can ask about any more, oldest first, in batches; returns how many. The broker asks as long
 * as it keeps the half message, which is its `fileReservedTime` (72 hours by default); a producer that was stopped can
 * write its marker until the horizon. A day is added to both for clocks that differ.
 */
export async function purgeTransactionMarkers(
  orm: MikroORM,
  options: { readonly brokerRetentionHours: number; readonly batch?: number; readonly now?: number },
): Promise<number> {
  const { brokerRetentionHours, batch = 1_000, now = Date.now() } = options;
  if (!Number.isFinite(brokerRetentionHours) || brokerRetentionHours < 1)
    throw new RangeError(`brokerRetentionHours must be at least 1, got ${brokerRetentionHours}`);
  const olderThanMs = brokerRetentionHours * 3_600_000 + MARKER_HORIZON_MS + 24 * 3_600_000;
  const connection = orm.em.getConnection('write');
  // A UUIDv7 begins with its time, so the primary key is also the order of age.
  const before = uuidFloor(now - olderThanMs);
  for (let purged = 0; ;) {
    const { affectedRows } = await connection.execute<{ affectedRows: number }>(
      'delete from transaction_marker where id < ? order by id limit ?',
      [before, batch],
      'run',
    );
    purged += affectedRows;
    if (affectedRows < batch) return purged;
  }
}

function uuidFloor(timeMs: number): string {
  const hex = Math.max(0, timeMs).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
