import { isUtf8 } from 'node:buffer';
import { StatementRefusedError } from '../../errors.ts';

/** Whole lines of text, and where they begin. */
export interface TextBlock {
  /** Of its first line, from 1. */
  readonly line: number;
  readonly lines: number;
  /** UTF-8. End in a newline, but for the last block of a file that does not. Valid until the next block is asked for. */
  readonly bytes: Uint8Array;
  readonly isTerminated: boolean;
}

const NEWLINE = 0x0a;
const BOM = [0xef, 0xbb, 0xbf];

/**
 * Decodes bytes strictly, in blocks of whole lines. Throws `StatementRefusedError` with line and byte for what the
 * encoding does not have, for NUL, and for a line longer than `maxLineBytes`. Holds one chunk and one line at most.
 */
export async function* decodeLines(
  chunks: AsyncIterable<Uint8Array>,
  { encoding, maxLineBytes }: { readonly encoding: string; readonly maxLineBytes: number },
): AsyncGenerator<TextBlock> {
  let line = 1;
  let offset = 0;
  let rest: Uint8Array = new Uint8Array(0);
  const block = (raw: Uint8Array, isTerminated: boolean): TextBlock => {
    let bytes = asUtf8(raw, { line, offset, encoding });
    if (offset === 0 && BOM.every((byte, place) => bytes[place] === byte)) bytes = bytes.subarray(BOM.length);
    const decoded = { line, lines: newlines(raw) + (isTerminated ? 0 : 1), bytes, isTerminated };
    line += decoded.lines;
    offset += raw.length;
    return decoded;
  };
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield block(rest.length === 0 ? chunk.subarray(0, end) : Buffer.concat([rest, chunk.subarray(0, end)]), true);
    // Copied: the stream may use its buffer again.
    rest = end > 0 ? Uint8Array.prototype.slice.call(chunk, end) : Buffer.concat([rest, chunk]);
    if (rest.length > maxLineBytes) throw refused(line, `it is longer than ${maxLineBytes} bytes: is this the declared format?`);
  }
  if (rest.length > 0) yield block(rest, false);
}

const refused = (line: number, why: string): StatementRefusedError => new StatementRefusedError([{ line, why }]);

function newlines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

interface Place {
  readonly line: number;
  readonly offset: number;
  readonly encoding: string;
}

function asUtf8(bytes: Uint8Array, place: Place): Uint8Array {
  const nul = bytes.indexOf(0);
  if (nul !== -1) throw refusedAt(bytes, nul, place, `a NUL: the file may be UTF-16, not ${place.encoding}`);
  if (place.encoding === 'utf-8' && isUtf8(bytes)) return bytes;
  try {
    // Of one byte a character, so a stream is never cut within one: decoded at once, Node 24 takes it for Latin-1.
    return Buffer.from(
      new TextDecoder(place.encoding, { fatal: true, ignoreBOM: true }).decode(bytes, { stream: place.encoding === 'windows-1252' }),
    );
  } catch {
    const at = firstUndecodable(bytes, place.encoding);
    throw refusedAt(bytes, at, place, `0x${(bytes[at] ?? 0).toString(16).padStart(2, '0')} is not ${place.encoding}`);
  }
}

const refusedAt = (bytes: Uint8Array, at: number, { line, offset }: Place, why: string): StatementRefusedError =>
  refused(line + newlines(bytes.subarray(0, at)), `byte ${offset + at + 1} of the file: ${why}`);

/** The longest part from the beginning that is understood ends before it; found by halving. */
function firstUndecodable(bytes: Uint8Array, encoding: string): number {
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isDecodable(bytes.subarray(0, middle), encoding)) good = middle;
    else bad = middle;
  }
  return good;
}

function isDecodable(bytes: Uint8Array, encoding: string): boolean {
  try {
    // As a stream: a character that is cut at the end is no fault of the bytes before.
    new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
