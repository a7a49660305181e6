import type { OutgoingMessage } from '../broker/message.ts';
import { FileWindow } from './file-window.ts';
import { type FileSystem, type LogFile, replaceFile, writeFully } from './file-system.ts';
import { parkedSegment } from './examine.ts';
import { encodeFrame } from './frame.ts';
import { decodeParts, encodePart } from './message-payload.ts';
import { readFrame } from './scan-frames.ts';

/** A message the broker refused for good. */
export interface ParkedInLog {
  /** Number of its record. */
  readonly number: number;
  readonly parkedAt: Date;
  readonly reason: string;
  readonly message: OutgoingMessage;
}

type Fields = Omit<OutgoingMessage, 'body'> & { readonly number: number; readonly parkedAt: number; readonly reason: string };

/** The parked messages of a whole file, oldest first. One message at a time is in memory. */
export async function* readParked(fileSystem: FileSystem, directory: string): AsyncGenerator<ParkedInLog> {
  for await (const { parked } of readFrames(fileSystem, directory)) yield* parked;
}

async function* readFrames(
  fileSystem: FileSystem,
  directory: string,
): AsyncGenerator<{ next: number; end: number; parked: ParkedInLog[] }> {
  const { path, seed } = parkedSegment(directory);
  const file = await fileSystem.open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return;
  try {
    const size = await file.size();
    const window = new FileWindow(file);
    for (let at = 0; ;) {
      const frame = await readFrame(window, at, size, seed);
      if (frame === undefined) return;
      at = frame.end;
      const parked = [...decodeParts<Fields>(frame.payload)].map(({ number, parkedAt, reason, ...message }) => {
        return { number, parkedAt: new Date(parkedAt), reason, message };
      });
      yield { next: frame.head.first + frame.head.count, end: at, parked };
    }
  } finally {
    await file.close();
  }
}

/** Adds to the parked messages of a directory, and takes from them. The caller owns the directory, and the file was recovered. */
export class ParkedFile {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #numbers = new Set<number>();
  #next = 1;
  /** Of whole frames. */
  #end = 0;
  /** `undefined`: the file is written anew at the next change, because there is none, or because its sync failed. */
  #file: LogFile | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
  }

  static async open(fileSystem: FileSystem, directory: string): Promise<ParkedFile> {
    const file = new ParkedFile(fileSystem, directory);
    for await (const { next, end, parked } of readFrames(fileSystem, directory)) {
      for (const { number } of parked) file.#numbers.add(number);
      file.#next = next;
      file.#end = end;
    }
    return file;
  }

  get bytes(): number {
    return this.#end;
  }

  get count(): number {
    return this.#numbers.size;
  }

  /** Highest number of a record in it. */
  get last(): number {
    return Math.max(0, ...this.#numbers);
  }

  /** Resolves when it is durable; once for a number. Rejects with nothing added that counts: it may be tried again. */
  add(parked: ParkedInLog): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#numbers.has(parked.number)) return;
      if (this.#file === undefined) await this.#rewrite(parked);
      else await this.#append(this.#file, parked);
      this.#numbers.add(parked.number);
    });
  }

  /** Resolves when it is durably gone. */
  remove(number: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#numbers.delete(number);
      await this.#rewrite();
    });
  }

  /** Never rejects. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#distrust());
  }

  async #append(file: LogFile, parked: ParkedInLog): Promise<void> {
    const frame = this.#frame(this.#next, parked);
    try {
      await writeFully(file, frame, this.#end);
      await file.sync();
    } catch (error) {
      await this.#distrust();
      throw error;
    }
    this.#next += 1;
    this.#end += frame.length;
  }

  /** What still counts, whole and durable, in the place of what is there. */
  async #rewrite(added?: ParkedInLog): Promise<void> {
    await this.#distrust();
    const { path } = parkedSegment(this.#directory);
    const numbers = new Set<number>();
    let [next, end] = [1, 0];
    await replaceFile(this.#fileSystem, this.#directory, path, async (draft) => {
      const write = async (parked: ParkedInLog): Promise<void> => {
        if (numbers.has(parked.number)) return;
        numbers.add(parked.number);
        const frame = this.#frame(next, parked);
        await writeFully(draft, frame, end);
        next += 1;
        end += frame.length;
      };
      for await (const each of readParked(this.#fileSystem, this.#directory)) if (this.#numbers.has(each.number)) await write(each);
      if (added !== undefined) await write(added);
    });
    [this.#next, this.#end] = [next, end];
    this.#file = await this.#fileSystem.open(path, 'r+').catch(() => undefined);
  }

  async #distrust(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }

  #frame(index: number, { number, parkedAt, reason, message: { body, ...fields } }: ParkedInLog): Buffer {
    const payload = encodePart({ ...fields, number, parkedAt: parkedAt.getTime(), reason }, body);
    return encodeFrame({ first: index, count: 1, acknowledgedTo: index }, payload, parkedSegment(this.#directory).seed);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}
