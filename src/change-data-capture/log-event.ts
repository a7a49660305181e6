import type { BinlogPoint, RowChange } from './row-change.ts';

/** What a binlog says, as far as it matters here. */
export type LogEvent =
  /** A transaction begins. */
  | { readonly kind: 'begin' }
  /** Rows of a table somebody wants. */
  | { readonly kind: 'rows'; readonly changes: readonly RowChange[] }
  /** Rows of a table that holds positions. */
  | { readonly kind: 'bookkeeping' }
  /** Rows of a table nobody wants. */
  | { readonly kind: 'others' }
  | { readonly kind: 'savepoint'; readonly name: string }
  | { readonly kind: 'rollback-to'; readonly name: string }
  | { readonly kind: 'commit'; readonly end: BinlogPoint; readonly at: number }
  | { readonly kind: 'rollback'; readonly end: BinlogPoint; readonly at: number }
  /** First half of a distributed transaction: its rows are there, and its COMMIT may come or not. */
  | { readonly kind: 'prepare'; readonly end: BinlogPoint; readonly at: number }
  /** DDL and the like, by itself or at the head of a transaction. */
  | { readonly kind: 'statement'; readonly text: string; readonly end: BinlogPoint; readonly at: number };

/** What a statement of the binlog does to the transaction around it; `undefined` for one that does nothing to it. */
export const controlOf = (
  text: string,
):
  | { readonly kind: 'begin' | 'commit' | 'rollback' }
  | { readonly kind: 'savepoint' | 'rollback-to'; readonly name: string }
  | undefined => {
  const words = text.trim();
  if (/^(BEGIN|START TRANSACTION|XA START\b.*)$/is.test(words)) return { kind: 'begin' };
  // What `create table … select` writes on MySQL 8.0.21 and later: its rows and their COMMIT follow.
  if (/^CREATE\b.*\bSTART TRANSACTION$/is.test(words)) return { kind: 'begin' };
  if (/^(COMMIT|XA COMMIT\b.*)$/is.test(words)) return { kind: 'commit' };
  if (/^(ROLLBACK|XA ROLLBACK\b.*)$/is.test(words)) return { kind: 'rollback' };
  const savepoint = /^SAVEPOINT\s+`?(.+?)`?$/is.exec(words);
  if (savepoint !== null) return { kind: 'savepoint', name: savepoint[1]! };
  const back = /^ROLLBACK\s+TO\s+(?:SAVEPOINT\s+)?`?(.+?)`?$/is.exec(words);
  if (back !== null) return { kind: 'rollback-to', name: back[1]! };
  return undefined;
};
