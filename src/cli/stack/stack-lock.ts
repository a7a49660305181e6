import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/** Held by whoever starts or ends a stack. */
export type StackLock = { /** Idempotent; gives back only our own. */ release(): void };

/**
 * Takes the lock, or says who has it. A lock whose owner is gone is taken over. The file appears with its content in it
 * (a hard link to a finished draft), so nobody ever reads half a lock.
 */
export function takeLock(file: string): StackLock | { readonly heldBy: ProcessIdentity } {
  mkdirSync(dirname(file), { recursive: true });
  const own = ownIdentity();
  const draft = `${file}.${own.pid}`;
  writeFileSync(draft, JSON.stringify(own));
  try {
    for (;;) {
      if (link(draft, file)) return { release: () => releaseLock(file, own) };
      const holder = readLock(file);
      if (holder && isAlive(holder)) return { heldBy: holder };
      removeStale(file, holder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the lock if `owner` holds it: the supervisor does so for an `up` that died. */
export function releaseLock(file: string, owner: ProcessIdentity): void {
  const holder = readLock(file);
  if (holder?.pid === owner.pid && holder.startTime === owner.startTime) rmSync(file, { force: true });
}

/** Who is written in the lock, alive or not. */
export function readLock(file: string): ProcessIdentity | undefined {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
    return typeof pid === 'number' && typeof startTime === 'string' ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

/** Two may find the same dead owner at once: a rename has one winner, and one who moved a fresh lock away by mistake puts it back. */
function removeStale(file: string, stale: ProcessIdentity | undefined): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  const moved = readLock(aside);
  if (moved && (moved.pid !== stale?.pid || moved.startTime !== stale.startTime)) link(aside, file);
  rmSync(aside, { force: true });
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
