import type { OutgoingMessage } from '../broker/message.ts';
import { emitSegmentedLogEvent } from './diagnostics.ts';
import type { CursorFile } from './cursor-file.ts';
import type { FileSystem } from './file-system.ts';
import { LogReader, type ReadRecords } from './log-reader.ts';
import type { ParkedFile } from './parked-file.ts';
import type { Progress } from './progress.ts';
import type { Segment } from './segment.ts';

/** What an open log gives to the one drain it has. */
export interface DrainSide {
  /** Where the last drain left, and how far this one is: the drain confirms what it has sent. */
  readonly progress: Progress;
  /** The records of the next append, in order; `undefined` when there are none yet. Rejects when the disk does not give them. One call at a time. */
  read(): Promise<ReadRecords | undefined>;
  /** Resolves when the message is durably among the parked ones, from where nothing sends it. */
  park(number: number, message: OutgoingMessage, reason: string): Promise<void>;
  /** Makes `progress` durable, then deletes segments that are drained. One call at a time. */
  store(): Promise<void>;
  /** Calls `listener` after each append; returns how to stop. */
  onAppended(listener: () => void): () => void;
  /** Gives the side back. Never rejects. */
  release(): Promise<void>;
}

export interface DrainSideOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly segments: Segment[];
  readonly progress: Progress;
  readonly cursor: CursorFile;
  readonly parked: ParkedFile;
  readonly now: () => number;
  readonly listeners: Set<() => void>;
  /** Whether a segment may still grow. */
  isActive(segment: Segment): boolean;
  onRelease(): void;
}

export function drainSide(options: DrainSideOptions): DrainSide {
  const { fileSystem, directory, segments, progress, cursor, parked, now, listeners } = options;
  const reader = new LogReader(fileSystem, segments, progress.next);
  return {
    progress,
    read: () => reader.read(),
    park: (number, message, reason) => parked.add({ number, message, reason, parkedAt: new Date(now()) }),
    async store() {
      const { next } = progress;
      await cursor.store(progress);
      let deletedSegments = 0;
      for (let segment = segments[0]; segment !== undefined && segment.next <= next && !options.isActive(segment); segment = segments[0]) {
        await fileSystem.remove(segment.path);
        segments.shift();
        deletedSegments += 1;
      }
      if (deletedSegments > 0) await fileSystem.syncDirectory(directory);
      emitSegmentedLogEvent('stored', { directory, next, deletedSegments });
    },
    onAppended(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async release() {
      await reader.close();
      options.onRelease();
    },
  };
}
