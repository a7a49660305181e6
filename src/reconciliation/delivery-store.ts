import type { AnyMessageSource } from './message-source.ts';
import type { HeldRun, RunItem } from './run-store.ts';

/** What is on record for a key whose call is looked for; MISSING is nothing at all. */
export type DeliveryStanding = 'CALL' | 'DEAD_LETTER' | 'RECENT' | 'MISSING';

/** A page of business rows, in the order of their primary key. */
export interface RowPage {
  readonly rows: readonly object[];
  /** `undefined` when there is no further page. */
  readonly next: string | undefined;
}

/** What a run takes in with one page. */
export interface TakenPage {
  /** Rows gone through. */
  readonly looked: number;
  /** Keys without a call; `undefined` is to be published again. */
  readonly missing: readonly {
    readonly idempotencyKey: string;
    readonly verdict: 'DEAD_LETTER' | 'RECENT' | 'UNBUILDABLE' | undefined;
    readonly why?: string | undefined;
  }[];
  readonly next: string | undefined;
}

/** Compares business rows with calls. Reads the primary; time is the database's. */
export interface DeliveryStore {
  /** Rows of the source's rule that are old enough, after a cursor. Throws `ConfigurationError` for a composite primary key. */
  page(
    source: AnyMessageSource,
    options: { readonly startedAt: Date; readonly since: Date | undefined; readonly cursor: string | undefined; readonly limit: number },
  ): Promise<RowPage>;
  /** How many rows all pages have together. */
  count(source: AnyMessageSource, options: { readonly startedAt: Date; readonly since: Date | undefined }): Promise<number>;
  /** RECENT is what a run has published again within the source's `republishAfterMs`; `runId` itself does not count. */
  standings(source: AnyMessageSource, keys: readonly string[], runId: number | undefined): Promise<ReadonlyMap<string, DeliveryStanding>>;
  /** Writes items, count and cursor in one transaction. */
  take(run: HeldRun, source: AnyMessageSource, page: TakenPage): Promise<void>;
  /** The database's time. */
  now(): Promise<Date>;
  rowOf(source: AnyMessageSource, item: RunItem): Promise<object | null | undefined>;
}
