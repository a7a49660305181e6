import { createHash, type Hash } from 'node:crypto';
import { StatementRefusedError } from '../../errors.ts';
import { messageOf } from '../../shared/error-message.ts';
import { decodeLines } from './decode-lines.ts';
import type { AnyStatement, StatementLine } from './define-statement.ts';
import type { RawRecord, StatementEnd } from './statement-format.ts';

/** A line that was understood. */
export interface ReadLine extends StatementLine {
  readonly line: number;
  readonly amountMinor: bigint;
}

/** What a statement was, once all of it has been read. */
export interface ReadResult {
  readonly lines: number;
  /** Of the bytes, or of the records of pages. */
  readonly sha256: string;
  /** Where it breaks off; only where the policy keeps what came before. */
  readonly truncatedAt: number | undefined;
}

/** Problems told at most; a file of another kind has as many as lines. */
const MAX_PROBLEMS = 20;
const LARGEST = 2n ** 63n;

/**
 * Reads a whole statement, handing its lines on in batches. Throws `StatementRefusedError` with line numbers and reasons
 * for whatever makes it untrustworthy: an encoding, a record, a trailer, an end that is missing. What was handed on by
 * then must not be used.
 */
export const readStatement = async (
  statement: AnyStatement,
  source: { readonly bytes: AsyncIterable<Uint8Array> } | { readonly day: string },
  onLines: (lines: readonly ReadLine[]) => void | Promise<void>,
  signal: AbortSignal,
): Promise<ReadResult> => {
  const hash = createHash('sha256');
  const end: StatementEnd = { isTruncated: false, line: 0, openLine: undefined };
  const problems: { line: number; why: string }[] = [];
  const toLine = lineReader(statement);
  let count = 0;
  let sum = 0n;
  let trailer: { readonly line: number; readonly count: number; readonly sumMinor?: bigint | undefined } | undefined;
  for await (const batch of recordsOf(statement, source, end, hash, signal)) {
    signal.throwIfAborted();
    const lines: ReadLine[] = [];
    for (const record of batch) {
      if (problems.length >= MAX_PROBLEMS) break;
      // Half a line, unless it is the trailer.
      if (record.line === end.openLine && !('isTrailer' in record && record.isTrailer)) continue;
      if (trailer !== undefined) problems.push({ line: record.line, why: 'it comes after the trailer' });
      else if ('problem' in record) problems.push({ line: record.line, why: record.problem });
      else
        try {
          if (record.isTrailer) {
            trailer = { line: record.line, ...statement.trailer!(record.fields) };
            continue;
          }
          const read = toLine(record);
          const line = read instanceof Promise ? await read : read;
          count += 1;
          if (line === undefined) continue;
          sum += line.amountMinor;
          lines.push(line);
        } catch (error) {
          problems.push({ line: record.line, why: messageOf(error) });
        }
    }
    if (problems.length >= MAX_PROBLEMS) throw new StatementRefusedError(problems);
    if (problems.length === 0 && lines.length > 0) await onLines(lines);
  }
  if (trailer !== undefined) {
    const { line, count: said, sumMinor } = trailer;
    if (said !== count) problems.push({ line, why: `the trailer says ${said} lines, there are ${count}` });
    if (sumMinor !== undefined && sumMinor !== sum) problems.push({ line, why: `the trailer says a sum of ${sumMinor}, it is ${sum}` });
  }
  const isTruncated = end.isTruncated || (statement.trailer !== undefined && trailer === undefined);
  const truncatedAt = !isTruncated ? undefined : end.isTruncated ? end.line : (end.openLine ?? end.line + 1);
  if (truncatedAt !== undefined && statement.policy.truncated === 'refuse')
    problems.push({
      line: truncatedAt,
      why: statement.trailer === undefined ? 'the file ends within it' : 'the file ends without its trailer',
    });
  if (problems.length > 0) throw new StatementRefusedError(problems);
  return { lines: count, sha256: hash.digest('hex'), truncatedAt };
};

async function* recordsOf(
  statement: AnyStatement,
  source: { readonly bytes: AsyncIterable<Uint8Array> } | { readonly day: string },
  end: StatementEnd,
  hash: Hash,
  signal: AbortSignal,
): AsyncGenerator<readonly RawRecord[]> {
  const { format, encoding, policy } = statement;
  if ('bytes' in source) {
    if (format.kind === 'pages') throw new StatementRefusedError([{ line: 0, why: 'this statement is fetched by page and is no file' }]);
    yield* format.records(decodeLines(hashed(source.bytes, hash), { encoding, maxLineBytes: policy.maxLineBytes }), end);
    return;
  }
  if (format.kind !== 'pages') throw new StatementRefusedError([{ line: 0, why: 'this statement is a file: name it' }]);
  let cursor: string | undefined;
  let line = 0;
  do {
    const { records, next } = await format.page(source.day, cursor, signal);
    // Somebody who sends us in a circle would do so for ever.
    if (next !== undefined && next === cursor) throw new StatementRefusedError([{ line, why: 'the next page is the same page' }]);
    hash.update(JSON.stringify(records, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value)));
    yield records.map((fields) => ({ line: (line += 1), fields, isTrailer: false }));
    cursor = next;
  } while (cursor !== undefined);
}

async function* hashed(bytes: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
}

type GoodRecord = Extract<RawRecord, { fields: unknown }>;

/** Gives a promise only where the schema does: a million lines are not to wait a million times. */
function lineReader({ schema, line }: AnyStatement): (record: GoodRecord) => ReadLine | undefined | Promise<ReadLine | undefined> {
  const read = line as (fields: unknown) => StatementLine | undefined;
  const checked = (fields: unknown, at: number): ReadLine | undefined => {
    const said = read(fields);
    return said && checkLine(said, at);
  };
  if (schema === undefined) return ({ fields, line: at }) => checked(fields, at);
  const { validate } = schema['~standard'];
  const settle = (result: Awaited<ReturnType<typeof validate>>, at: number): ReadLine | undefined => {
    if (result.issues !== undefined)
      throw new TypeError(
        result.issues
          .map(({ path, message }) => `${pathOf(path)}${message}`)
          .join('; ')
          .slice(0, 500),
      );
    return checked(result.value, at);
  };
  return ({ fields, line: at }) => {
    const result = validate(fields);
    return result instanceof Promise ? result.then((settled) => settle(settled, at)) : settle(result, at);
  };
}

const pathOf = (path: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined): string =>
  path === undefined || path.length === 0 ? '' : `${path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')}: `;

const REFERENCE = /^[\x21-\x7e]{1,128}$/;

function checkLine({ reference, amountMinor, currency, status, bookedAt }: StatementLine, line: number): ReadLine {
  if (typeof reference !== 'string' || !REFERENCE.test(reference))
    throw new TypeError(
      `reference must be 1–128 printable ASCII characters without spaces, it is ${JSON.stringify(reference)?.slice(0, 150)}`,
    );
  if (typeof amountMinor !== 'bigint' && !Number.isSafeInteger(amountMinor))
    throw new TypeError(`amountMinor must be whole minor units, it is ${String(amountMinor).slice(0, 50)}`);
  const amount = BigInt(amountMinor);
  if (amount >= LARGEST || amount < -LARGEST) throw new RangeError(`amountMinor ${amount} is larger than 64 bits`);
  if (!/^[A-Z]{3}$/.test(currency)) throw new TypeError(`currency must be a code such as EUR, it is ${JSON.stringify(currency)}`);
  if (status !== 'SUCCESS' && status !== 'FAIL' && status !== 'PENDING')
    throw new TypeError(`status must be SUCCESS, FAIL or PENDING, it is ${JSON.stringify(status)}`);
  if (bookedAt !== undefined && Number.isNaN(bookedAt.getTime())) throw new TypeError('bookedAt is not a time');
  return { reference, amountMinor: amount, currency, status, bookedAt, line };
}
