import { type Connection, query } from './mysql-connection.ts';

/** Server-wide and at most 64 characters, as GET_LOCK asks for: three and a UUID's 36. */
export const lockName = (transactionId: string): string => `cb:${transactionId}`;

/**
 * Takes the lock on this connection, before the half message leaves and on the very connection that will run the
 * transaction: from then on nobody can see the row absent and the lock free while the transaction may still commit.
 * Returns the server's id of the connection, by which it can be killed.
 */
export async function acquireSessionLock(connection: Connection, transactionId: string): Promise<number> {
  const [row] = await query<{ granted: number | string | null; id: number | string }>(
    connection,
    'select get_lock(?, 0) as granted, connection_id() as id',
    lockName(transactionId),
  );
  if (Number(row?.granted) !== 1) throw new Error(`session lock ${lockName(transactionId)} was not granted`);
  return Number(row?.id);
}

export async function releaseSessionLock(connection: Connection, transactionId: string): Promise<void> {
  await query(connection, 'do release_lock(?)', lockName(transactionId));
}

/**
 * Whether the session that held the lock is over. The server rolls a dying session back before it frees its locks, so
 * "free" also means "no transaction open". Not combined with the row's SELECT: one statement may read its snapshot
 * before it evaluates the function.
 */
export async function isSessionLockFree(connection: Connection, transactionId: string): Promise<boolean> {
  const [row] = await query<{ free: number | string | null }>(connection, 'select is_free_lock(?) as free', lockName(transactionId));
  return Number(row?.free) === 1;
}
