import { ConfigurationError } from '../../errors.ts';
import type { StatementFormat, TrailerRule } from './statement-format.ts';
import { textLines } from './text-lines.ts';

/** First and last place of each column, from 1, as institutions write it. */
export type FixedColumns = Readonly<Record<string, readonly [first: number, last: number]>>;

export interface FixedWidthOptions {
  readonly columns: FixedColumns;
  /** Characters of every line, the trailer's too. */
  readonly length: number;
  readonly trailer?: TrailerRule<FixedColumns>;
}

/** Lines of a fixed length; fields lose the spaces around them. */
export const fixedWidth = ({ columns, length, trailer }: FixedWidthOptions): StatementFormat => {
  for (const [name, [first, last]] of Object.entries({ ...columns, ...trailer?.columns })) {
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || first < 1 || last < first || last > length)
      throw new ConfigurationError(`fixedWidth column "${name}" must lie within 1 and ${length}, it is ${first}–${last}`);
  }
  const reader = (of: FixedColumns): ((text: string) => Record<string, string>) => {
    const places = Object.entries(of);
    return (text) => {
      const fields = Object.create(null) as Record<string, string>;
      for (const [name, [first, last]] of places) fields[name] = text.slice(first - 1, last).trim();
      return fields;
    };
  };
  const readLine = reader(columns);
  const readTrailer = reader(trailer?.columns ?? {});
  const hasTrailer = trailer !== undefined;
  return Object.freeze({
    kind: 'fixedWidth',
    hasTrailer,
    records: (blocks, end) =>
      textLines(blocks, end, hasTrailer, (text, line) => {
        if (text.length !== length) return { line, problem: `it has ${text.length} characters, not ${length}` };
        const isTrailer = trailer !== undefined && text.startsWith(trailer.startsWith);
        return { line, fields: isTrailer ? readTrailer(text) : readLine(text), isTrailer };
      }),
  } satisfies StatementFormat);
};
