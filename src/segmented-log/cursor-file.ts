import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type FileSystem, type LogFile, writeFully } from './file-system.ts';
import { Progress, PROGRESS_SPAN } from './progress.ts';

const MARKER = Buffer.from('CBC1');
/** Marker (4), CRC-32 of what follows (4), generation (8), next (8), bytes of the bitmap (4). */
const HEAD_BYTES = 28;
/** A multiple of a disk's page, so that writing one slot never touches the other. */
const SLOT_BYTES = 12_288;

if (HEAD_BYTES + PROGRESS_SPAN / 8 > SLOT_BYTES) throw new Error('a slot is too small for what it keeps');

/**
 * How far a log has been drained, kept beside it. Two slots take turns, so that one is whole whatever happens to the other;
 * unlike a file that is written anew and renamed, this needs no new space on a disk that is full, just when segments
 * must be deleted. A slot is written as a whole, so that a sync that failed leaves no page behind that the next one misses.
 */
export class CursorFile {
  readonly #file: LogFile;
  #generation: number;

  private constructor(file: LogFile, generation: number) {
    this.#file = file;
    this.#generation = generation;
  }

  /** Opens the file, or makes it. */
  static async open(fileSystem: FileSystem, directory: string, next: number): Promise<CursorFile> {
    const path = cursorPath(directory);
    const file = await fileSystem.open(path, 'r+').catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return fileSystem.open(path, 'wx+');
    });
    try {
      const latest = await latestSlot(file);
      const cursor = new CursorFile(file, latest?.generation ?? 0);
      if (latest === undefined) {
        await writeFully(file, Buffer.alloc(2 * SLOT_BYTES), 0);
        await cursor.store(new Progress(next));
        await fileSystem.syncDirectory(directory);
      }
      return cursor;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Resolves when it is durable. Not for concurrent use. */
  async store(progress: Progress): Promise<void> {
    const bitmap = progress.bitmap();
    const slot = Buffer.alloc(SLOT_BYTES);
    this.#generation += 1;
    MARKER.copy(slot);
    slot.writeBigUInt64LE(BigInt(this.#generation), 8);
    slot.writeBigUInt64LE(BigInt(progress.next), 16);
    slot.writeUInt32LE(bitmap.length, 24);
    bitmap.copy(slot, HEAD_BYTES);
    slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
    await writeFully(this.#file, slot, (this.#generation % 2) * SLOT_BYTES);
    await this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const cursorPath = (directory: string): string => join(directory, 'cursor');

/** What was stored last; `undefined` when there is nothing that can be read: everything is sent again then. */
export async function readCursor(fileSystem: FileSystem, directory: string): Promise<Progress | undefined> {
  const file = await fileSystem.open(cursorPath(directory), 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    return (await latestSlot(file))?.progress;
  } finally {
    await file.close();
  }
}

async function latestSlot(file: LogFile): Promise<{ generation: number; progress: Progress } | undefined> {
  let latest: { generation: number; progress: Progress } | undefined;
  for (const position of [0, SLOT_BYTES]) {
    const slot = Buffer.alloc(SLOT_BYTES);
    for (let filled = 0, got = 1; got > 0 && filled < SLOT_BYTES; filled += got)
      got = await file.read(slot.subarray(filled), position + filled);
    if (!slot.subarray(0, 4).equals(MARKER) || slot.readUInt32LE(4) !== crc32(slot.subarray(8))) continue;
    const generation = Number(slot.readBigUInt64LE(8));
    if (latest !== undefined && latest.generation > generation) continue;
    const bitmap = slot.subarray(HEAD_BYTES, HEAD_BYTES + slot.readUInt32LE(24));
    latest = { generation, progress: Progress.from(Number(slot.readBigUInt64LE(16)), bitmap) };
  }
  return latest;
}
