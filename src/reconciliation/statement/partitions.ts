import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CallStatus } from '../../gateway/call-status.ts';
import type { TheirFigures } from './break.ts';
import { compareTexts, type OurRow } from './compare.ts';
import type { TheirStatus } from './define-statement.ts';
import type { ReadLine } from './read-statement.ts';

/** Both sides of one reference. */
export interface Pair {
  readonly reference: string;
  readonly lines: TheirFigures[];
  ours: OurRow | undefined;
}

/**
 * How many shares the references are told apart into, so that one after the other fits into memory, and into the part of
 * it that is quickly collected: 20 million rows are 40,000 a share.
 */
const PARTITIONS = 1_024;
const BUFFER_BYTES = 8_192;
/** A reference of 191 characters that are all escaped, and the rest. */
const MAX_RECORD_BYTES = 2_048;

/** Both sides of a comparison in one temporary file, in blocks of one share each. It has no name any more when the constructor returns, so the kernel takes it back however this process ends. */
export class Partitions implements Disposable {
  readonly #file: number;
  #isOpen = true;
  #size = 0;
  /** Bytes and no strings: what is kept for a while is costly to collect. */
  readonly #buffers = Array.from({ length: PARTITIONS }, () => Buffer.allocUnsafeSlow(BUFFER_BYTES));
  readonly #used = Array.from({ length: PARTITIONS }, () => 0);
  /** Where the blocks of each share begin, and how long they are, in turn. */
  readonly #blocks = Array.from({ length: PARTITIONS }, (): number[] => []);

  constructor(directory: string = tmpdir()) {
    const own = mkdtempSync(join(directory, 'checkback-statement-'));
    try {
      this.#file = openSync(join(own, 'both-sides'), 'wx+', 0o600);
    } finally {
      rmSync(own, { recursive: true });
    }
  }

  addLine({ reference, amountMinor, currency, status, line, bookedAt }: ReadLine): void {
    this.#add(reference, `T\t${amountMinor}\t${currency}\t${status}\t${line}\t${bookedAt?.getTime() ?? ''}`);
  }

  /** Rows of ours; of several with one reference the last counts. */
  addRow(reference: string, { amountMinor, currency, status, isLate }: OurRow): void {
    this.#add(reference, `O\t${amountMinor}\t${currency}\t${status ?? ''}\t${isLate ? 1 : ''}`);
  }

  /** All pairs, a share at a time, in an order that depends on the references alone. */
  *[Symbol.iterator](): Generator<readonly Pair[]> {
    for (let at = 0; at < PARTITIONS; at += 1) {
      this.#flush(at);
      const pairs = pairsOf(this.#content(at));
      yield pairs.sort((a, b) => compareTexts(a.reference, b.reference));
    }
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#file);
    this.#isOpen = false;
  }

  #add(reference: string, rest: string): void {
    const at = shareOf(reference);
    // JSON has no tab and no newline of its own within a string.
    const record = `${JSON.stringify(reference).slice(1, -1)}\t${rest}\n`;
    if (this.#used[at]! > BUFFER_BYTES - MAX_RECORD_BYTES) this.#flush(at);
    this.#used[at]! += this.#buffers[at]!.write(record, this.#used[at]!);
  }

  #flush(at: number): void {
    const { [at]: bytes } = this.#buffers;
    const { [at]: used } = this.#used;
    for (let done = 0; done < used!;) done += writeSync(this.#file, bytes!, done, used! - done, this.#size + done);
    if (used! > 0) this.#blocks[at]!.push(this.#size, used!);
    this.#size += used!;
    this.#used[at] = 0;
  }

  #content(at: number): string {
    const blocks = this.#blocks[at]!;
    const lengths = blocks.filter((_, place) => place % 2 === 1);
    const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, 0));
    let filled = 0;
    lengths.forEach((length, place) => {
      for (let done = 0; done < length;) {
        const read = readSync(this.#file, bytes, filled + done, length - done, blocks[place * 2]! + done);
        if (read === 0) throw new Error('a temporary file is shorter than what was written to it');
        done += read;
      }
      filled += length;
    });
    return bytes.toString();
  }
}

/** FNV-1a. */
function shareOf(reference: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < reference.length; at += 1) hash = Math.imul(hash ^ reference.charCodeAt(at), 0x01000193);
  return ((hash ^ (hash >>> 16)) >>> 0) % PARTITIONS;
}

function pairsOf(content: string): Pair[] {
  const pairs = new Map<string, Pair>();
  for (let from = 0; from < content.length;) {
    const to = content.indexOf('\n', from);
    const [escaped = '', side, amount = '', currency = '', status = '', fifth = '', bookedAt = ''] = content.slice(from, to).split('\t');
    from = to + 1;
    const reference = escaped.includes('\\') ? (JSON.parse(`"${escaped}"`) as string) : escaped;
    let pair = pairs.get(reference);
    if (pair === undefined) pairs.set(reference, (pair = { reference, lines: [], ours: undefined }));
    const amountMinor = BigInt(amount);
    if (side === 'O')
      pair.ours = { amountMinor, currency, status: status === '' ? undefined : (status as CallStatus), isLate: fifth === '1' };
    else
      pair.lines.push({
        amountMinor,
        currency,
        status: status as TheirStatus,
        line: Number(fifth),
        bookedAt: bookedAt === '' ? undefined : new Date(Number(bookedAt)),
      });
  }
  return [...pairs.values()];
}
