import { SegmentedLogError } from '../errors.ts';
import { messageOf } from '../shared/error-message.ts';
import { type FileSystem, type LogFile, writeFully } from './file-system.ts';
import { encodeFrame } from './frame.ts';
import { newSegment, type Segment } from './segment.ts';

/** Records of one append. */
export interface Entry {
  readonly payload: Buffer;
  readonly count: number;
}

export interface SegmentWriterOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly segmentBytes: number;
  /** Whether what is written is durable before it is acknowledged. */
  readonly isSyncedFirst: boolean;
  /** Of the log, in order; new ones are put behind them. */
  readonly segments: Segment[];
  /** Number of the next record. */
  readonly next: number;
}

/** Writes the end of a log; one `write` at a time. After a failure nothing is acknowledged any more: the sync of a file that failed proves nothing when it is asked for again. */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #active: { readonly segment: Segment; readonly file: LogFile } | undefined;
  #next: number;
  #isDirty = false;
  #syncing: Promise<void> | undefined;
  #failure: { readonly cause: unknown } | undefined;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    this.#next = options.next;
  }

  /** Number of the next record. */
  get next(): number {
    return this.#next;
  }

  /** Whether something was acknowledged that no sync has covered. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** Whether a segment may still grow. */
  isActive(segment: Segment): boolean {
    return this.#active?.segment === segment;
  }

  /** All entries or none. Returns the bytes. Rejects with `SegmentedLogError` that says whether they were taken back. */
  async write(entries: readonly Entry[]): Promise<number> {
    const { segmentBytes, isSyncedFirst } = this.#options;
    try {
      this.#requireWhole();
      if (this.#active === undefined || this.#active.segment.bytes >= segmentBytes) await this.#begin();
      const { segment, file } = this.#active!;
      // What comes before this write was acknowledged; what it consists of was not.
      const acknowledgedTo = this.#next;
      let first = this.#next;
      const frames: Buffer[] = [];
      for (const { payload, count } of entries) {
        frames.push(encodeFrame({ first, count, acknowledgedTo }, payload, segment.seed));
        first += count;
      }
      const bytes = frames.length === 1 ? frames[0]! : Buffer.concat(frames);
      await writeFully(file, bytes, segment.bytes);
      if (isSyncedFirst) await file.sync();
      // It may have been given up meanwhile, and whoever waited has been told.
      this.#requireWhole();
      this.#isDirty = !isSyncedFirst;
      segment.bytes += bytes.length;
      this.#next = segment.next = first;
      return bytes.length;
    } catch (cause) {
      this.fail(cause);
      const isTakenBack = await this.#takeBack();
      throw new SegmentedLogError(
        `the message was not kept: ${messageOf(cause)}${isTakenBack ? '' : '; nor could its bytes be taken back, it may be sent nevertheless'}`,
        { cause, reason: 'not-kept', acted: isTakenBack ? 'no' : 'maybe' },
      );
    }
  }

  /** Nothing is acknowledged from here on. */
  fail(cause: unknown): void {
    this.#failure ??= { cause };
  }

  /** Makes durable what was acknowledged so far; may be called while something is written. */
  async sync(): Promise<void> {
    await this.#syncing;
    if (!this.#isDirty || this.#active === undefined) return;
    this.#isDirty = false;
    this.#syncing = this.#active.file.sync();
    try {
      await this.#syncing;
    } catch (error) {
      this.fail(error);
      throw error;
    } finally {
      this.#syncing = undefined;
    }
  }

  /** Syncs nothing by itself. Never rejects. */
  async close(): Promise<void> {
    const active = this.#active;
    this.#active = undefined;
    await active?.file.close().catch(() => {});
  }

  #requireWhole(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  /** A full segment is durable before there is another, whatever the policy: only the last one can have a torn end. */
  async #begin(): Promise<void> {
    const { fileSystem, directory, segments } = this.#options;
    await this.sync();
    await this.close();
    const segment = newSegment(directory, this.#next);
    const file = await fileSystem.open(segment.path, 'wx+');
    this.#active = { segment, file };
    await fileSystem.syncDirectory(directory);
    segments.push(segment);
  }

  /** So that a kill leaves nothing of what was refused; a disk that fails at this too may. */
  async #takeBack(): Promise<boolean> {
    if (this.#active === undefined) return true;
    const { segment, file } = this.#active;
    try {
      await file.truncate(segment.bytes);
    } catch {
      return false;
    }
    await file.sync().catch(() => {});
    return true;
  }
}
