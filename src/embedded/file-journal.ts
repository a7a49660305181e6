import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { ConfigurationError } from '../errors.ts';
import { decodeRecords, encodeRecord, JOURNAL_MAGIC } from './journal-frame.ts';
import type { Journal, JournalRecord } from './journal-record.ts';

/** Size from which a journal is rewritten when it has doubled since the last time. */
const REWRITE_BYTES = 64 * 1_024 * 1_024;

/** What a file says. A torn last record is what a kill or a power cut leaves behind; the bytes from there on are not read. */
export async function readJournal(file: string): Promise<{ records: JournalRecord[]; tornBytes: number }> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw new ConfigurationError(`embedded broker: journal ${file} cannot be read: ${error.message}`, { cause: error });
  });
  if (bytes.length < JOURNAL_MAGIC.length && JOURNAL_MAGIC.subarray(0, bytes.length).equals(bytes)) return { records: [], tornBytes: 0 };
  if (!bytes.subarray(0, JOURNAL_MAGIC.length).equals(JOURNAL_MAGIC))
    throw new ConfigurationError(`embedded broker: ${file} is not a journal of this broker; it is left as it is`);
  const { records, end } = decodeRecords(bytes);
  return { records, tornBytes: bytes.length - end };
}

/** An append-only file. Only one broker may have it open. */
export class FileJournal implements Journal {
  readonly #file: string;
  readonly #snapshot: () => Iterable<JournalRecord>;
  #handle: FileHandle | undefined;
  #pending: Buffer[] = [];
  #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  #writing: Promise<void> | undefined;
  #bytes = 0;
  #rewriteAt = REWRITE_BYTES;
  #isAbandoned = false;

  private constructor(file: string, snapshot: () => Iterable<JournalRecord>) {
    this.#file = file;
    this.#snapshot = snapshot;
  }

  /** Begins a file that holds the state as it is, in the place of the old one, which stays as it is until the new one is durable. */
  static async begin(file: string, snapshot: () => Iterable<JournalRecord>): Promise<FileJournal> {
    const journal = new FileJournal(file, snapshot);
    await journal.#rewrite();
    return journal;
  }

  append(record: JournalRecord): void {
    if (this.#isAbandoned) return;
    this.#pending.push(encodeRecord(record));
    this.#writing ??= this.#write();
  }

  flushed(): Promise<void> {
    if (this.#isAbandoned || this.#writing === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Writes what is pending and closes the file. Idempotent. */
  async close(): Promise<void> {
    await this.#writing;
    this.#isAbandoned = true;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Drops what has not been written, as a kill does, and closes the file. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    this.#pending = [];
    await this.close();
  }

  /** Everything that came in the same turn of the event loop, and while the last batch was written, shares one `fdatasync`. */
  async #write(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#pending.length > 0 || this.#waiting.length > 0) {
      const [batch, waiting] = [this.#pending, this.#waiting];
      this.#pending = [];
      this.#waiting = [];
      try {
        if (this.#bytes > this.#rewriteAt) await this.#rewrite();
        else await this.#writeBatch(batch, waiting.length > 0);
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        for (const { reject } of waiting) reject(error);
      }
    }
    this.#writing = undefined;
  }

  async #writeBatch(batch: readonly Buffer[], isAwaited: boolean): Promise<void> {
    const bytes = Buffer.concat(batch);
    await this.#handle?.appendFile(bytes);
    this.#bytes += bytes.length;
    if (isAwaited) await this.#handle?.datasync();
  }

  /** The snapshot is ahead of every record appended so far, so that those need not be written. */
  async #rewrite(): Promise<void> {
    const parts: Buffer[] = [JOURNAL_MAGIC];
    for (const record of this.#snapshot()) parts.push(encodeRecord(record));
    const bytes = Buffer.concat(parts);
    const handle = await open(`${this.#file}.new`, 'w', 0o600);
    await handle.writeFile(bytes);
    await handle.sync();
    await rename(`${this.#file}.new`, this.#file);
    await this.#handle?.close();
    this.#handle = handle;
    this.#bytes = bytes.length;
    this.#rewriteAt = Math.max(REWRITE_BYTES, bytes.length * 2);
  }
}
