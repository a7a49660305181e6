import type { Resolution } from '../broker/transactional-producer.ts';
import { isDuplicateKey, isLockedByOthers } from './mysql-error.ts';
import type { Run } from './row-insert.ts';
import type { ServerFlavour } from './server-checks.ts';
import type { SidePool } from './side-pool.ts';

const COMMITTED = 1;
const ROLLED_BACK = 0;

/**
 * A transaction that is older than this when it writes its marker is refused: the marker that a check-back wrote against
 * it may have been purged by then. No local transaction takes an hour; no purge is that young.
 */
export const MARKER_HORIZON_MS = 3_600_000;

/** Another transaction id than ours cannot be in the way: so whoever holds it has decided ROLLBACK. */
export class AlreadySettledError extends Error {}

/**
 * Writes the marker inside the business transaction. On the database's clock, and in one statement, so that a producer
 * that was stopped for days between its half message and this cannot slip in behind the purge.
 */
export async function writeMarker(run: Run, transactionId: string, translate: (sql: string) => string = (sql) => sql): Promise<void> {
  const text = `insert into transaction_marker (id, state) select ?, ${COMMITTED} from dual where unix_timestamp(now(3)) * 1000 - ? < ?`;
  const values = [transactionId, timeOf(transactionId), MARKER_HORIZON_MS];
  const { affectedRows } = await run(translate(text), values).catch((error: unknown) => {
    if (isDuplicateKey(error))
      throw new AlreadySettledError('a check-back has already settled this transaction as rolled back', { cause: error });
    throw error;
  });
  if (affectedRows !== 1)
    throw new AlreadySettledError(`the transaction is older than ${MARKER_HORIZON_MS} ms; its marker may have been purged`);
}

/**
 * Reads the marker; where there is none yet, writes ROLLED_BACK and answers what is read afterwards, never what was read
 * first: between the two the business transaction may have committed.
 */
export async function checkMarker(
  side: Pick<SidePool, 'query'>,
  flavour: Pick<ServerFlavour, 'shareNowait'>,
  transactionId: string,
): Promise<Resolution> {
  const read = async (): Promise<number | undefined> => {
    const [row] = await side.query<{ state: number }>(
      `select state from transaction_marker where id = ? ${flavour.shareNowait}`,
      transactionId,
    );
    return row?.state;
  };
  try {
    let state = await read();
    if (state === undefined) {
      await side.query(`insert into transaction_marker (id, state) values (?, ${ROLLED_BACK})`, transactionId).catch((error: unknown) => {
        if (!isDuplicateKey(error)) throw error;
      });
      state = await read();
    }
    return state === COMMITTED ? 'COMMIT' : state === ROLLED_BACK ? 'ROLLBACK' : 'UNKNOWN';
  } catch (error) {
    if (isLockedByOthers(error)) return 'UNKNOWN';
    throw error;
  }
}

/** Milliseconds since the epoch in the first 48 bits of a UUIDv7 (RFC 9562, section 5.7). */
function timeOf(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}
