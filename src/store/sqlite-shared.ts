import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError } from '../errors.ts';
import { isLocked } from './sqlite-error.ts';
import type { SqliteConstructor, SqliteHandle } from './sqlite-package.ts';
import { Turns } from './turns.ts';

const OWNER_WAIT_MS = 1_000;

/**
 * What all users of one file in this process share: whose turn it is to write, which local transactions are open, and the
 * lock that says that local transactions of this file are this process's alone.
 */
export class SqliteShared {
  /** SQLite has one writer at a time; within the process it is waited for here, so that waiting blocks nobody. */
  readonly writing = new Turns(1);
  readonly #path: string;
  readonly #fences = new Map<string, number>();
  #owners = 0;
  #lock: Promise<SqliteHandle> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  openFence(transactionId: string): void {
    this.#fences.set(transactionId, (this.#fences.get(transactionId) ?? 0) + 1);
  }

  closeFence(transactionId: string): void {
    const left = (this.#fences.get(transactionId) ?? 0) - 1;
    if (left > 0) this.#fences.set(transactionId, left);
    else this.#fences.delete(transactionId);
  }

  /** Whether a local transaction of this id may still commit. Exact because of `own`: no other process has any. */
  isFenced(transactionId: string): boolean {
    return this.#fences.has(transactionId);
  }

  /**
   * Takes the file's local transactions for this process, as often as it likes; a lock of the operating system on a file
   * beside it, which dies with the process however it dies. Rejects with `ConfigurationError` when another process has it.
   */
  async own(Database: SqliteConstructor): Promise<() => Promise<void>> {
    this.#owners += 1;
    let isGiven = false;
    const giveUp = async (): Promise<void> => {
      if (isGiven) return;
      isGiven = true;
      this.#owners -= 1;
      const lock = this.#lock;
      if (this.#owners > 0) return;
      this.#lock = undefined;
      (await lock?.catch(() => undefined))?.close();
    };
    try {
      await (this.#lock ??= lockFile(Database, `${this.#path}-owner`, this.#path));
    } catch (error) {
      await giveUp();
      throw error;
    }
    return giveUp;
  }
}

async function lockFile(Database: SqliteConstructor, file: string, path: string): Promise<SqliteHandle> {
  const handle = new Database(file, { timeout: 0 });
  for (const deadline = performance.now() + OWNER_WAIT_MS; ; await sleep(50)) {
    try {
      // Nothing is ever written: no journal of a killed process is left to be undone.
      handle.pragma('journal_mode = memory');
      handle.exec('begin exclusive');
      return handle;
    } catch (error) {
      if (isLocked(error) && performance.now() < deadline) continue;
      handle.close();
      if (!isLocked(error)) throw error;
      throw new ConfigurationError(
        `another process publishes to ${path} already: on SQLite all publishers of a file live in one process, because only that process knows which of its transactions are open; publish from there (a worker with "compensations" publishes too), or use MySQL`,
        { cause: error },
      );
    }
  }
}

const shared = new Map<string, { readonly of: SqliteShared; users: number }>();

/** By the file's real path, so that two names for it are one; give it back with the path. */
export function shareFile(realPath: string): SqliteShared {
  const found = shared.get(realPath) ?? { of: new SqliteShared(realPath), users: 0 };
  found.users += 1;
  shared.set(realPath, found);
  return found.of;
}

export function unshareFile(realPath: string): void {
  const found = shared.get(realPath);
  if (found !== undefined && --found.users === 0) shared.delete(realPath);
}
