import { setTimeout as sleep } from 'node:timers/promises';
import { isLocked, isTaken } from './sqlite-error.ts';

const DUPLICATE_KEY = 1062;
// Lock wait, deadlock, and MariaDB's "record has changed since last read".
const CONFLICTS: ReadonlySet<number> = new Set([1205, 1213, 1020]);
// Too many connections, shutting down, read-only, killed.
const UNAVAILABLE: ReadonlySet<number> = new Set([1040, 1053, 1203, 1290, 1317, 1836, 1927, 3168]);

const errnoOf = (error: unknown): number | undefined => (error as { errno?: number } | undefined)?.errno;
const codeOf = (error: unknown): string => (error as { code?: string } | undefined)?.code ?? '';

export const isDuplicateKey = (error: unknown): boolean => errnoOf(error) === DUPLICATE_KEY || isTaken(error);

/** Whether the database, not the statement, is the reason: the same transaction may well succeed later. */
export function isTransient(error: unknown): boolean {
  const errno = errnoOf(error);
  if (errno !== undefined && (CONFLICTS.has(errno) || UNAVAILABLE.has(errno))) return true;
  return isLocked(error) || /^(?:PROTOCOL_|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|POOL_)/.test(codeOf(error));
}

/** Runs a transaction again, three times in all, when the database was the reason it failed. `work` must be safe to repeat. */
export async function retryTransient<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 3 || !isTransient(error)) throw error;
      await sleep(Math.random() * 20 * attempt);
    }
  }
}
