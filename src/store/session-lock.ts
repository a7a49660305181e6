import type { ReservedConnection } from './reserved-connection.ts';
import type { SidePool } from './side-pool.ts';

/** Server-wide and at most 64 characters, as GET_LOCK asks for: three and a UUID's 36. */
const lockName = (transactionId: string): string => `cb:${transactionId}`;

const SERVER_STATUS_AUTOCOMMIT = 2;

/**
 * Takes the lock on this connection, before the half message leaves and on the very connection that will run the
 * transaction: from then on nobody can see the lock free while the transaction may still commit. With the lock goes
 * autocommit, in the same statement and the same answer: the first statement of the transaction is its BEGIN then, which
 * saves a round trip.
 */
export async function acquireSessionLock(connection: ReservedConnection, transactionId: string): Promise<void> {
  const status = await connection.serverStatusAfter('set autocommit = 1 - get_lock(?, 0)', lockName(transactionId));
  if ((status & SERVER_STATUS_AUTOCOMMIT) !== 0) throw new Error(`session lock ${lockName(transactionId)} was not granted`);
  connection.beginsByItself = true;
}

/** Gives lock and autocommit back, after COMMIT or ROLLBACK; a lock that was not ours is an error of the server's. */
export async function releaseSessionLock(connection: ReservedConnection, transactionId: string): Promise<void> {
  const status = await connection.serverStatusAfter('set autocommit = release_lock(?)', lockName(transactionId));
  if ((status & SERVER_STATUS_AUTOCOMMIT) === 0) throw new Error(`session lock ${lockName(transactionId)} was another session's`);
  connection.beginsByItself = false;
}

/** Whether the session that held the lock is over, its transaction with it. The row is read after this, as a statement of its own. */
export async function isSessionLockFree(side: SidePool, transactionId: string): Promise<boolean> {
  const [row] = await side.query<{ free: number | string | null }>('select is_free_lock(?) as free', lockName(transactionId));
  return Number(row?.free) === 1;
}
