import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError } from '../errors.ts';

const SQLITE_BUSY = 5;

/**
 * Takes a directory for one log of one process: a lock of the operating system, held through SQLite, which dies with the
 * process however it dies and holds between containers that share the disk. Waits `waitMs` for a predecessor that is just
 * ending. Returns how to give it back. Rejects with `ConfigurationError` when another has it.
 */
export async function takeOwnership(directory: string, waitMs = 1_000): Promise<() => void> {
  // Not a static import: Node 24 warns that the module is experimental, which concerns only those who use this.
  const { DatabaseSync } = await import('node:sqlite');
  for (const deadline = performance.now() + waitMs; ; await sleep(50)) {
    const database = new DatabaseSync(join(directory, 'owner.lock'), { timeout: 0 });
    try {
      // Nothing is ever written: no journal of a killed process is left to be undone.
      database.exec('pragma journal_mode = memory');
      database.exec('begin exclusive');
      return () => {
        if (database.isOpen) database.close();
      };
    } catch (error) {
      database.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      if (performance.now() >= deadline)
        throw new ConfigurationError(
          `segmented log: ${directory} is in use by another process or by another log of this one; each process needs a directory of its own`,
          { cause: error },
        );
    }
  }
}
