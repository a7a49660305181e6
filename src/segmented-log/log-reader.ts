import type { OutgoingMessage } from '../broker/message.ts';
import { FileWindow } from './file-window.ts';
import type { FileSystem, LogFile } from './file-system.ts';
import { decodeMessages } from './message-payload.ts';
import { readFrame } from './scan-frames.ts';
import type { Segment } from './segment.ts';

/** What one frame holds: messages, or the word that records are gone. */
export interface ReadRecords {
  /** Number of the first. */
  readonly first: number;
  readonly count: number;
  /** Empty when they are gone. */
  readonly messages: readonly OutgoingMessage[];
}

/** Reads a log in order, up to what was acknowledged, while it grows and while its beginning is deleted. One call at a time. */
export class LogReader {
  readonly #fileSystem: FileSystem;
  readonly #segments: readonly Segment[];
  #next: number;
  #open: { readonly segment: Segment; readonly file: LogFile; readonly window: FileWindow } | undefined;
  #at = 0;

  constructor(fileSystem: FileSystem, segments: readonly Segment[], next: number) {
    this.#fileSystem = fileSystem;
    this.#segments = segments;
    this.#next = next;
  }

  /** The next frame that ends behind `next`; `undefined` when there is none yet. Rejects when the disk no longer gives what was written. */
  async read(): Promise<ReadRecords | undefined> {
    for (;;) {
      const open = this.#open;
      if (open === undefined || this.#at >= open.segment.bytes) {
        if (!(await this.#openNext())) return undefined;
        continue;
      }
      const { segment, window } = open;
      const frame = await readFrame(window, this.#at, segment.bytes, segment.seed);
      if (frame === undefined)
        throw new Error(
          `segmented log: ${segment.path} cannot be read any more at byte ${this.#at}, where record ${this.#next} was written`,
        );
      this.#at = frame.end;
      const { first, count } = frame.head;
      if (first + count <= this.#next) continue;
      this.#next = first + count;
      return { first, count, messages: frame.payload.length === 0 ? [] : decodeMessages(frame.payload) };
    }
  }

  /** Never rejects. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.file.close().catch(() => {});
  }

  async #openNext(): Promise<boolean> {
    const segment = this.#segments.find(({ next }) => next > this.#next);
    if (segment === undefined || segment === this.#open?.segment) return false;
    await this.close();
    const file = await this.#fileSystem.open(segment.path, 'r');
    this.#open = { segment, file, window: new FileWindow(file) };
    this.#at = 0;
    return true;
  }
}
