import type { TextBlock } from './decode-lines.ts';

/** The fields of one record by name, as text. */
export type Fields = Readonly<Record<string, unknown>>;

/** One record of a file, or what is wrong with it. */
export type RawRecord =
  | { readonly line: number; readonly fields: Fields; readonly isTrailer: boolean }
  | { readonly line: number; readonly problem: string };

/** How a file is told apart into records; made by `csv`, `fixedWidth` and `jsonLines`. */
export interface StatementFormat {
  readonly kind: 'csv' | 'fixedWidth' | 'jsonLines';
  /** Whether it declares a trailer. A file without its trailer is truncated, whatever it ends in. */
  readonly hasTrailer: boolean;
  /**
   * Records in batches. `end.isTruncated` is set when the blocks end within a record; that record is not among them.
   * Throws `StatementRefusedError` where nothing after a place can be understood.
   */
  readonly records: (blocks: AsyncIterable<TextBlock>, end: StatementEnd) => AsyncIterable<readonly RawRecord[]>;
}

/** Where a file breaks off, as found while it is read. */
export interface StatementEnd {
  isTruncated: boolean;
  /** Of the incomplete record, or of the last one. */
  line: number;
  /** Of a last line that does not end in a newline, where the format has a trailer to tell whether it is whole. */
  openLine: number | undefined;
}

/** Lines that are not records: those of the end. */
export interface TrailerRule<Columns> {
  /** The trailer's first field, or how its line begins. */
  readonly startsWith: string;
  readonly columns: Columns;
}
