import type { LogFile } from './file-system.ts';

const CHUNK_BYTES = 256 * 1_024;

/** Bytes of a file in order of their places, read in large pieces, of which one is in memory at a time. */
export class FileWindow {
  readonly #file: LogFile;
  #at = 0;
  #chunk = Buffer.alloc(0);

  constructor(file: LogFile) {
    this.#file = file;
  }

  /** What is there of `length` bytes from `at` on, none of it from `size` on; a view that is good until the next call. */
  async bytes(at: number, length: number, size: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, size - at));
    const from = at - this.#at;
    if (from >= 0 && from + wanted <= this.#chunk.length) return this.#chunk.subarray(from, from + wanted);
    const chunk = Buffer.allocUnsafe(Math.max(wanted, Math.min(CHUNK_BYTES, size - at)));
    let filled = 0;
    while (filled < chunk.length) {
      const got = await this.#file.read(chunk.subarray(filled), at + filled);
      if (got === 0) break;
      filled += got;
    }
    this.#at = at;
    this.#chunk = chunk.subarray(0, filled);
    return this.#chunk.subarray(0, wanted);
  }
}
