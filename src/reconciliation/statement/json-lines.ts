import type { StatementFormat } from './statement-format.ts';
import { textLines } from './text-lines.ts';

export interface JsonLinesOptions {
  /** The object that ends the file is the one with this value in this field. */
  readonly trailer?: { readonly field: string; readonly value: string };
}

type Reviver = (name: string, value: unknown, context: { readonly source?: string }) => unknown;
// A number as it stands in the file: none of it goes through a float.
const exactly: Reviver = (_name, value, context) => (typeof value === 'number' ? context.source : value);

/** One JSON object a line. Numbers are given as the text that stands in the file. */
export const jsonLines = ({ trailer }: JsonLinesOptions = {}): StatementFormat =>
  Object.freeze({
    kind: 'jsonLines',
    hasTrailer: trailer !== undefined,
    records: (blocks, end) =>
      textLines(blocks, end, trailer !== undefined, (text, line) => {
        const fields = JSON.parse(text, exactly as Parameters<typeof JSON.parse>[1]) as Record<string, unknown>;
        if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return { line, problem: 'it is not a JSON object' };
        return { line, fields, isTrailer: trailer !== undefined && fields[trailer.field] === trailer.value };
      }),
  } satisfies StatementFormat);
