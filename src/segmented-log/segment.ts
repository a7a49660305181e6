import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Seed } from './frame.ts';

/** One file of a log. Only the last one grows. */
export interface Segment {
  readonly name: string;
  readonly path: string;
  readonly seed: Seed;
  /** Number of its first record. */
  readonly first: number;
  /** Number of the record after its last acknowledged one. */
  next: number;
  /** Length up to its last acknowledged record: nothing behind it is read. */
  bytes: number;
}

const NAME = /^(\d{16})-([0-9a-f]{8})\.log$/;

/** Named by its first record, so that names sort as records do, and by its seed. */
export function newSegment(directory: string, first: number): Segment {
  const seed = randomBytes(4).readUInt32LE();
  const name = `${String(first).padStart(16, '0')}-${seed.toString(16).padStart(8, '0')}.log`;
  return { name, path: join(directory, name), seed, first, next: first, bytes: 0 };
}

/** The segments among the names of a directory, in order. */
export function segmentsAmong(directory: string, names: readonly string[]): Segment[] {
  return names
    .flatMap((name) => {
      const found = NAME.exec(name);
      if (found === null) return [];
      const first = Number(found[1]);
      return [{ name, path: join(directory, name), seed: Number.parseInt(found[2]!, 16), first, next: first, bytes: 0 }];
    })
    .sort((left, right) => left.first - right.first);
}
