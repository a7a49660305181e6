import { dirname } from 'node:path';
import type { OutgoingMessage } from '../broker/message.ts';
import { ClosedError, ConfigurationError, InvalidMessageError, SegmentedLogError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import { endsWithin } from '../shared/deadline.ts';
import { messageOf } from '../shared/error-message.ts';
import type { Logger } from '../shared/logger.ts';
import { AppendQueue } from './append-queue.ts';
import { CursorFile } from './cursor-file.ts';
import { emitSegmentedLogEvent } from './diagnostics.ts';
import { drainSide, type DrainSide } from './drain-side.ts';
import type { FileSystem } from './file-system.ts';
import { canMove, type LogState } from './log-state.ts';
import { encodeMessage } from './message-payload.ts';
import { takeOwnership } from './owner-lock.ts';
import { ParkedFile, type ParkedInLog, readParked } from './parked-file.ts';
import { recover } from './recover.ts';
import { type Entry, SegmentWriter } from './segment-writer.ts';
import type { Segment } from './segment.ts';
import type { SegmentedLogStats } from './segmented-log.ts';
import type { FsyncPolicy, SegmentedLogLimits } from './segmented-log-options.ts';
import type { Progress } from './progress.ts';

export interface LogOnDiskOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly limits: SegmentedLogLimits;
  readonly fsync: FsyncPolicy;
  readonly onDamage: 'refuse' | 'skip';
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Of one append: far below what a cursor can tell apart. */
const MAX_MESSAGES = 10_000;

/** What an open log is made of. */
interface Opened {
  readonly segments: Segment[];
  readonly progress: Progress;
  readonly writer: SegmentWriter;
  readonly cursor: CursorFile;
  readonly parked: ParkedFile;
  readonly release: () => void;
}

/** The directory, from when it is opened until it is given back: one writer, one drain. */
export class LogOnDisk {
  readonly #options: LogOnDiskOptions;
  #state: LogState = { kind: 'NEW' };
  #opened: Opened | undefined;
  readonly #queue: AppendQueue;
  readonly #listeners = new Set<() => void>();
  #isDrained = false;
  readonly #stop = new AbortController();
  #syncing: Promise<void> | undefined;

  constructor(options: LogOnDiskOptions) {
    this.#options = options;
    this.#queue = new AppendQueue(
      (group) => this.#write(group),
      (error) => this.#break(error),
    );
  }

  /** Takes the directory and brings it to where whole records end. Rejects with what stands in the way; may be called again then. */
  async open(): Promise<void> {
    const { fileSystem, directory, limits, fsync, onDamage, logger, clock } = this.#options;
    this.#move({ kind: 'OPENING' });
    const startedAt = performance.now();
    const undo: (() => unknown)[] = [];
    try {
      await fileSystem.makeDirectory(directory);
      // Its own name must survive as well; a parent that may not be opened is taken for an old one.
      await fileSystem.syncDirectory(dirname(directory)).catch(() => {});
      const release = await takeOwnership(directory);
      undo.push(release);
      const { segments, next, progress } = await recover(fileSystem, directory, onDamage);
      const parked = await ParkedFile.open(fileSystem, directory);
      const cursor = await CursorFile.open(fileSystem, directory, progress.next);
      undo.push(() => cursor.close());
      const writer = new SegmentWriter({
        fileSystem,
        directory,
        segmentBytes: limits.segmentBytes,
        isSyncedFirst: fsync === 'always',
        segments,
        next: segments.length === 0 ? Math.max(next, parked.last + 1) : next,
      });
      // Numbers that no segment holds are not waited for.
      if (segments.length === 0) progress.jump(writer.next);
      this.#opened = { segments, progress, writer, cursor, parked, release };
      this.#move({ kind: 'OPEN' });
      const { waiting } = this.stats();
      const tookMs = Math.round(performance.now() - startedAt);
      emitSegmentedLogEvent('opened', { directory, waiting, parked: parked.count, tookMs });
      logger.info({ directory, waiting, parked: parked.count, tookMs, at: clock.now() }, `segmented log opened in ${directory}`);
    } catch (error) {
      for (const each of undo.toReversed()) await each();
      this.#move({ kind: 'NEW' });
      throw error;
    }
  }

  /** Throws `ClosedError` or `SegmentedLogError` when nothing is appended now. */
  requireOpen(): Opened {
    const { directory } = this.#options;
    if (this.#state.kind === 'BROKEN')
      throw new SegmentedLogError(`the segmented log in ${directory} is broken until it is opened anew: ${messageOf(this.#state.cause)}`, {
        cause: this.#state.cause,
        reason: 'broken',
      });
    if (this.#state.kind !== 'OPEN')
      throw new ClosedError(`the segmented log in ${directory} is ${this.#state.kind === 'CLOSED' ? 'closed' : 'not started'}`);
    return this.#opened!;
  }

  /** Throws `InvalidMessageError` for what no room would be enough for. */
  requireFit(messages: readonly OutgoingMessage[]): void {
    const { maxMessageBytes } = this.#options.limits;
    if (messages.length > MAX_MESSAGES)
      throw new InvalidMessageError(`${messages.length} messages of one decision; the segmented log takes ${MAX_MESSAGES}`);
    for (const message of messages) {
      const { length } = encodeMessage(message);
      if (length > maxMessageBytes)
        throw new InvalidMessageError(
          `a message for ${message.topic} has ${length} bytes; the segmented log takes ${maxMessageBytes} (maxMessageBytes)`,
        );
    }
  }

  get bytes(): number {
    if (this.#opened === undefined) return 0;
    let bytes = this.#opened.parked.bytes + this.#queue.waitingBytes;
    for (const segment of this.#opened.segments) bytes += segment.bytes;
    return bytes;
  }

  async append(messages: readonly OutgoingMessage[]): Promise<void> {
    this.requireOpen();
    this.requireFit(messages);
    if (messages.length === 0) return;
    const parts = messages.map(encodeMessage);
    const payload = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    await this.#queue.add({ payload, count: messages.length }, this.#options.limits.appendTimeoutMs);
    for (const listener of this.#listeners) listener();
  }

  stats(): SegmentedLogStats {
    const { progress, writer, parked, segments } = this.#opened ?? {};
    return {
      state: this.#state.kind,
      waiting: progress === undefined ? 0 : writer!.next - progress.next - progress.beyond,
      parked: parked?.count ?? 0,
      bytes: this.bytes,
      segments: segments?.length ?? 0,
    };
  }

  parkedMessages(): AsyncIterable<ParkedInLog> {
    return readParked(this.#options.fileSystem, this.#options.directory);
  }

  async forgetParked(number: number): Promise<void> {
    await this.requireOpen().parked.remove(number);
  }

  drainSide(): DrainSide {
    const { fileSystem, directory, clock } = this.#options;
    const opened = this.#opened;
    if (opened === undefined) throw new ClosedError(`the segmented log in ${directory} is closed`);
    if (this.#isDrained) throw new ConfigurationError(`segmented log: ${directory} is drained already; a log has one drain`);
    this.#isDrained = true;
    return drainSide({
      fileSystem,
      directory,
      ...opened,
      now: () => clock.now(),
      listeners: this.#listeners,
      isActive: (segment) => opened.writer.isActive(segment),
      onRelease: () => (this.#isDrained = false),
    });
  }

  /** Never rejects. */
  async close(): Promise<void> {
    if (this.#state.kind === 'CLOSED') return;
    const opened = this.#opened;
    const isWhole = this.#state.kind === 'OPEN';
    // Closed from here on: nothing new comes, and what is on its way is still acknowledged.
    this.#move({ kind: 'CLOSED' });
    this.#stop.abort();
    const { limits, clock } = this.#options;
    const isIdle = await endsWithin(Promise.all([this.#queue.idle(), this.#syncing]), limits.appendTimeoutMs, clock);
    // A disk that hangs may write yet: the directory stays this process's until it ends.
    if (opened === undefined || !isIdle) return;
    if (isWhole) await opened.writer.sync().catch((error: unknown) => this.#tellBroken(error));
    await opened.writer.close();
    await opened.parked.close();
    await opened.cursor.close().catch(() => {});
    this.#opened = undefined;
    opened.release();
  }

  async #write(group: readonly Entry[]): Promise<void> {
    const { directory, fsync } = this.#options;
    const { writer } = this.#opened!;
    const startedAt = performance.now();
    const bytes = await writer.write(group);
    emitSegmentedLogEvent('appended', () => ({
      directory,
      messages: group.reduce((sum, { count }) => sum + count, 0),
      bytes,
      tookMs: performance.now() - startedAt,
    }));
    if (typeof fsync === 'object' && writer.isDirty) this.#syncing ??= this.#syncIn(fsync.everyMs, writer);
  }

  /** A sync covers what was written before it began, whatever is written meanwhile. */
  async #syncIn(everyMs: number, writer: SegmentWriter): Promise<void> {
    await this.#options.clock.sleep(everyMs, this.#stop.signal).catch(() => {});
    this.#syncing = undefined;
    await writer.sync().catch((error: unknown) => this.#break(error));
  }

  #break(cause: unknown): void {
    this.#opened?.writer.fail(cause);
    if (this.#state.kind === 'OPEN') this.#move({ kind: 'BROKEN', cause });
    else if (this.#state.kind !== 'CLOSED') return;
    this.#tellBroken(cause);
  }

  #tellBroken(error: unknown): void {
    const { directory, logger } = this.#options;
    emitSegmentedLogEvent('broken', { directory, error });
    logger.error({ directory, error }, `the segmented log in ${directory} is broken: orders are refused until it is opened anew`);
  }

  #move(to: LogState): void {
    if (!canMove(this.#state.kind, to.kind)) throw new Error(`a segmented log does not go from ${this.#state.kind} to ${to.kind}`);
    this.#state = to;
  }
}
