import { type Info, parse } from 'csv-parse';
import { ConfigurationError, StatementRefusedError } from '../../errors.ts';
import { messageOf } from '../../shared/error-message.ts';
import type { TextBlock } from './decode-lines.ts';
import type { Fields, RawRecord, StatementEnd, StatementFormat, TrailerRule } from './statement-format.ts';

export interface CsvOptions {
  /** Names of the columns, in their order. */
  readonly columns: readonly string[];
  /** Whether the first line names the columns; it must name these. Default true. */
  readonly header?: boolean;
  /** Default `,`. */
  readonly delimiter?: string;
  /** Default `"`; doubled it stands for itself. `false`: there is none. */
  readonly quote?: string | false;
  readonly trailer?: TrailerRule<readonly string[]>;
}

/** What is told when a record is longer, characters; a quote that is never closed ends there. */
const MAX_RECORD = 65_536;

/** Comma-separated values, taken strictly: a wrong number of fields or a stray quote is a problem of that line. */
export const csv = ({ columns, header = true, delimiter = ',', quote = '"', trailer }: CsvOptions): StatementFormat => {
  if (columns.length === 0 || new Set(columns).size !== columns.length)
    throw new ConfigurationError(`csv columns must be at least one, each of a name of its own: ${columns.join(', ')}`);
  if (!/^.$/u.test(delimiter)) throw new ConfigurationError(`csv delimiter must be one character, it is ${JSON.stringify(delimiter)}`);
  const toRecord = recordOf(columns, trailer);
  async function* records(blocks: AsyncIterable<TextBlock>, end: StatementEnd): AsyncGenerator<readonly RawRecord[]> {
    const read = openParser(delimiter, quote);
    let isHeader = header;
    const understood = (parsed: readonly ParsedRecord[]): RawRecord[] => {
      const [first] = parsed;
      if (first === undefined || !isHeader) return parsed.map(({ record, info }) => toRecord(record, info.lines));
      isHeader = false;
      requireHeader(first.record, columns, first.info.lines);
      return understood(parsed.slice(1));
    };
    for await (const { bytes, line, lines, isTerminated } of blocks) {
      // Without a trailer to tell, a last line that is not terminated is half a line.
      if (!isTerminated && trailer === undefined) Object.assign(end, { isTruncated: true, line });
      else {
        if (!isTerminated) end.openLine = line;
        end.line = line + lines - 1;
        yield understood(read(bytes));
      }
    }
    const rest = read(undefined, () => (end.isTruncated = true));
    if (rest.length > 0) yield understood(rest);
    if (isHeader) throw new StatementRefusedError([{ line: 1, why: `there is no header: ${columns.join(delimiter)}` }]);
  }
  return Object.freeze({ kind: 'csv', hasTrailer: trailer !== undefined, records });
};

interface ParsedRecord {
  readonly info: Info;
  readonly record: readonly string[];
}

/**
 * The parser as a function, from bytes to the records that end in them; without bytes, to what is left at the end. It is
 * driven by hand because waiting for each of a million records costs more than reading it.
 */
function openParser(delimiter: string, quote: string | false): (bytes: Uint8Array | undefined, onOpenQuote?: () => void) => ParsedRecord[] {
  const parser = parse({
    delimiter,
    quote,
    escape: quote,
    // Told by ourselves, with the line, and the trailer has a number of its own.
    relax_column_count: true,
    info: true,
    record_delimiter: ['\r\n', '\n'],
    max_record_size: MAX_RECORD,
  });
  // Told below, from `errored`.
  parser.on('error', () => {});
  return (bytes, onOpenQuote) => {
    // A copy: the parser keeps the last bytes to look at what follows them.
    if (bytes === undefined) parser.end();
    else parser.write(Buffer.from(bytes));
    const records: ParsedRecord[] = [];
    for (let next = parser.read() as ParsedRecord | null; next !== null; next = parser.read() as ParsedRecord | null) records.push(next);
    const error: (Error & { code?: string; lines?: number }) | null = parser.errored;
    if (error === null) return records;
    if (error.code === 'CSV_QUOTE_NOT_CLOSED' && onOpenQuote !== undefined) {
      onOpenQuote();
      return records;
    }
    throw new StatementRefusedError([{ line: error.lines ?? 0, why: messageOf(error) }], { cause: error });
  };
}

function requireHeader(record: readonly string[], columns: readonly string[], line: number): void {
  const isSame = record.length === columns.length && record.every((name, place) => name.trim() === columns[place]);
  if (!isSame)
    throw new StatementRefusedError([{ line, why: `the header is ${record.join(' ').slice(0, 200)}, not ${columns.join(' ')}` }]);
}

function recordOf(columns: readonly string[], trailer: CsvOptions['trailer']): (record: readonly string[], line: number) => RawRecord {
  const fieldsOf = (names: readonly string[], record: readonly string[]): Fields => {
    const fields: Record<string, string> = Object.create(null) as Record<string, string>;
    for (let place = 0; place < names.length; place += 1) fields[names[place]!] = record[place]!;
    return fields;
  };
  return (record, line) => {
    const isTrailer = trailer !== undefined && record[0] === trailer.startsWith;
    const names = isTrailer ? trailer.columns : columns;
    if (record.length === names.length) return { line, fields: fieldsOf(names, record), isTrailer };
    return { line, problem: `it has ${record.length} fields, not ${names.length}` };
  };
}
