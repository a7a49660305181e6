import type { ReservedConnection } from './reserved-connection.ts';
import type { SidePool } from './side-pool.ts';

/** Server-wide and at most 64 characters, as GET_LOCK asks for: three and a UUID's 36. */
const lockName = (transactionId: string): string => `cb:${transactionId}`;

/**
 * Takes the lock on this connection, before the half message leaves and on the very connection that will run the
 * transaction: from then on nobody can see the lock free while the transaction may still commit.
 */
export async function acquireSessionLock(connection: ReservedConnection, transactionId: string): Promise<void> {
  const [row] = await connection.query<{ granted: number | string | null }>('select get_lock(?, 0) as granted', lockName(transactionId));
  if (Number(row?.granted) !== 1) throw new Error(`session lock ${lockName(transactionId)} was not granted`);
}

export async function releaseSessionLock(connection: ReservedConnection, transactionId: string): Promise<void> {
  await connection.query('do release_lock(?)', lockName(transactionId));
}

/** Whether the session that held the lock is over, its transaction with it. The row is read after this, as a statement of its own. */
export async function isSessionLockFree(side: SidePool, transactionId: string): Promise<boolean> {
  const [row] = await side.query<{ free: number | string | null }>('select is_free_lock(?) as free', lockName(transactionId));
  return Number(row?.free) === 1;
}
