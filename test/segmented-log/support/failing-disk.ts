import { type FileSystem, type LogFile, nodeFileSystem } from '../../../src/segmented-log/file-system.ts';

type Operation = 'open' | 'read' | 'write' | 'sync' | 'truncate' | 'rename' | 'remove' | 'syncDirectory';

/** This machine's disk, which fails where it is told to. Durability cannot be seen from outside, so it counts. */
export class FailingDisk implements FileSystem {
  /** Asked before each operation on a path; what it returns is what the operation rejects with. */
  fails: (operation: Operation, path: string) => Error | undefined | Promise<Error | undefined> = () => undefined;
  /** Bytes one call of `write` takes at most. */
  writesAtMost = Infinity;
  readonly done: Record<Operation, number> = {
    open: 0,
    read: 0,
    write: 0,
    sync: 0,
    truncate: 0,
    rename: 0,
    remove: 0,
    syncDirectory: 0,
  };
  /** Files that are open. */
  opened = 0;

  list(directory: string): Promise<string[]> {
    return nodeFileSystem.list(directory);
  }

  makeDirectory(directory: string): Promise<void> {
    return nodeFileSystem.makeDirectory(directory);
  }

  async open(path: string, flags: 'r' | 'r+' | 'wx+'): Promise<LogFile> {
    await this.#do('open', path);
    const file = await nodeFileSystem.open(path, flags);
    this.opened += 1;
    let isOpen = true;
    return {
      read: async (into, position) => {
        await this.#do('read', path);
        return file.read(into, position);
      },
      write: async (bytes, position) => {
        await this.#do('write', path);
        return file.write(bytes.subarray(0, Math.min(bytes.length, this.writesAtMost)), position);
      },
      size: () => file.size(),
      truncate: async (length) => {
        await this.#do('truncate', path);
        await file.truncate(length);
      },
      sync: async () => {
        await this.#do('sync', path);
        await file.sync();
      },
      close: async () => {
        if (isOpen) this.opened -= 1;
        isOpen = false;
        await file.close();
      },
    };
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#do('rename', from);
    await nodeFileSystem.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    await this.#do('remove', path);
    await nodeFileSystem.remove(path);
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#do('syncDirectory', directory);
    await nodeFileSystem.syncDirectory(directory);
  }

  async #do(operation: Operation, path: string): Promise<void> {
    const failure = await this.fails(operation, path);
    if (failure !== undefined) throw failure;
    this.done[operation] += 1;
  }
}

/** As the system says it. */
export const diskError = (code: string): Error => Object.assign(new Error(`${code}: the disk fails`), { code });
