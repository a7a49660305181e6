import type { Fields } from './statement-format.ts';

/** One page of an institution's API. */
export interface StatementPage {
  readonly records: readonly Fields[];
  /** What the next page is asked for with; `undefined` when this is the last one. */
  readonly next: string | undefined;
}

/** A statement that is fetched and not a file. */
export interface PagedStatement {
  readonly kind: 'pages';
  /** Fetches one page of a day; `cursor` is `undefined` for the first. Must give the same records in the same order each time. */
  readonly page: (day: string, cursor: string | undefined, signal: AbortSignal) => Promise<StatementPage>;
}

/** A statement fetched by page. A page that fails fails the run, which has changed nothing by then. */
export const pages = (page: PagedStatement['page']): PagedStatement => Object.freeze({ kind: 'pages', page });
