import { isLocked, isTaken } from './sqlite-error.ts';

/** Numbers of MySQL's and MariaDB's error messages, through whatever an ORM has wrapped them in. */
export function errnoOf(error: unknown): number | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if ('errno' in cause && typeof cause.errno === 'number') return cause.errno;
  }
  return undefined;
}

/** ER_DUP_ENTRY, and SQLite's. */
export const isDuplicateKey = (error: unknown): boolean => errnoOf(error) === 1062 || isTaken(error);

/** ER_LOCK_NOWAIT (MySQL), ER_LOCK_WAIT_TIMEOUT (also MariaDB's answer to NOWAIT), ER_LOCK_DEADLOCK. */
export const isLockedByOthers = (error: unknown): boolean => [3572, 1205, 1213].includes(errnoOf(error) ?? 0);

/** ER_LOCK_DEADLOCK, ER_LOCK_WAIT_TIMEOUT, SQLITE_BUSY: the transaction did nothing and may be run again. */
export const isLockConflict = (error: unknown): boolean => [1213, 1205].includes(errnoOf(error) ?? 0) || isLocked(error);
