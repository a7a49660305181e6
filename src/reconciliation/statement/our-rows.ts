import type { OurFigures } from './break.ts';
import type { AnyStatement } from './define-statement.ts';

/** A row of ours with its call. */
export interface ReferencedRow extends OurFigures {
  readonly reference: string;
  readonly writtenAt: Date;
}

/** Where a reading has come to; made by the store. */
export type RowCursor = readonly string[] | undefined;

/** Reads the business's rows and their calls on the primary; changes nothing. */
export interface OurRows {
  /** The next rows of `[from, to)`, each once; `next` is `undefined` when there are no more. Throws `ConfigurationError` for an entity it cannot page. */
  page(
    statement: AnyStatement,
    window: { readonly from: Date; readonly to: Date },
    cursor: RowCursor,
    limit: number,
  ): Promise<{ readonly rows: readonly ReferencedRow[]; readonly next: RowCursor }>;
  /** Rows by their references, whenever they were written. */
  find(statement: AnyStatement, references: readonly string[]): Promise<readonly ReferencedRow[]>;
}
