import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';

/** A file that is read and written at places. Rejects with the system's own errors, which have a `code`. */
export interface LogFile {
  /** How many bytes were there to be read; less than asked for at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** How many bytes were taken; may be less than given. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  size(): Promise<number>;
  truncate(length: number): Promise<void>;
  /** Resolved: everything written so far survives the machine's power. Rejected: nothing is known, and asking again proves nothing. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Port to the disk: what of it a log needs, so that tests can let it fail. */
export interface FileSystem {
  /** Names in a directory. */
  list(directory: string): Promise<string[]>;
  /** With its parents; readable by this user alone. */
  makeDirectory(directory: string): Promise<void>;
  /** `r` and `r+`: rejects with `ENOENT` when there is none; `wx+`: makes it, rejects with `EEXIST` when there is one. */
  open(path: string, flags: 'r' | 'r+' | 'wx+'): Promise<LogFile>;
  rename(from: string, to: string): Promise<void>;
  /** Nothing to do when there is none. */
  remove(path: string): Promise<void>;
  /** Resolved: names made, changed and removed in it survive the machine's power. */
  syncDirectory(directory: string): Promise<void>;
}

/** The file system of this machine. */
export const nodeFileSystem: FileSystem = {
  list: (directory) => readdir(directory),
  makeDirectory: async (directory) => void (await mkdir(directory, { recursive: true, mode: 0o700 })),
  async open(path, flags) {
    const handle = await open(path, flags, 0o600);
    return {
      read: async (into, position) => (await handle.read(into, 0, into.length, position)).bytesRead,
      write: async (bytes, position) => (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
      size: async () => (await handle.stat()).size,
      truncate: (length) => handle.truncate(length),
      sync: () => handle.datasync(),
      close: () => handle.close(),
    };
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  async syncDirectory(directory) {
    // Windows opens no directories, and keeps names without being asked.
    if (process.platform === 'win32') return;
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** Writes all of it, however many calls that takes. */
export async function writeFully(file: LogFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const taken = await file.write(bytes.subarray(written), position + written);
    if (taken === 0) throw new Error(`the disk took ${written} of ${bytes.length} bytes and no more`);
    written += taken;
  }
}

/** Makes a file with this content that is whole and durable, or is not there under its name. */
export async function replaceFile(
  fileSystem: FileSystem,
  directory: string,
  path: string,
  write: (file: LogFile) => Promise<void>,
): Promise<void> {
  const draft = `${path}.new`;
  await fileSystem.remove(draft);
  const file = await fileSystem.open(draft, 'wx+');
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
  await fileSystem.rename(draft, path);
  await fileSystem.syncDirectory(directory);
}
