import type { EntityManager } from '@mikro-orm/core';
import type { BreakAction, FoundBreak, StatementBreak } from './break.ts';
import type { BreakKind, BreakState } from './break-state.ts';

/** What is compared. */
export interface WantedStatementRun {
  readonly statement: string;
  readonly callName: string;
  readonly day: string;
  readonly sha256: string;
  /** Name of the file, for people. */
  readonly source: string;
  readonly since: Date | undefined;
  readonly lines: number;
  readonly rows: number;
  readonly truncatedAt: number | undefined;
}

/** A run that is under way. */
export interface StatementRun extends WantedStatementRun {
  readonly id: number;
  /** Which attempt at it this is, from 1: what an earlier one wrote before it was killed is not this one's. */
  readonly pass: number;
}

/** Breaks of one kind. */
export interface BreakCount {
  readonly kind: BreakKind;
  readonly state: BreakState;
  readonly isLate: boolean;
  readonly count: number;
}

/** A run as it is on record; depends on the statement and the rows alone, not on how often it was killed on the way. */
export interface StatementReport {
  readonly run: WantedStatementRun & { readonly id: number; readonly isDone: boolean };
  readonly counts: readonly BreakCount[];
  /** Breaks of this or an earlier day that this run found to be gone, or settled. */
  readonly resolved: number;
  /** Open breaks of this statement's other days. */
  readonly openElsewhere: number;
}

export interface BreakFilter {
  readonly statement?: string | undefined;
  readonly day?: string | undefined;
  readonly kind?: BreakKind | undefined;
  readonly state?: BreakState | undefined;
  readonly reference?: string | undefined;
  /** Last found by this run. */
  readonly run?: number | undefined;
}

export interface BreakDecision {
  readonly by: string;
  readonly why: string;
}

export type DecideBreakResult =
  | { readonly kind: 'decided'; readonly found: StatementBreak }
  | { readonly kind: 'refused'; readonly state: BreakState }
  | { readonly kind: 'missing' };

/**
 * Keeps runs over statements, and breaks with their history. Safe for concurrent use; time is the database's. A break is
 * unique by statement, day, reference, kind and occurrence, so that writing it again changes nothing. Every method rejects
 * with the driver's error when the database does not do its part; each is one transaction.
 */
export interface StatementStore {
  /** Goes on with an unfinished run over the same bytes, day and scope, or begins one. */
  begin(wanted: WantedStatementRun): Promise<StatementRun>;
  /** Inserts what is new; marks what is known as found by this run, opening again what `isReopened` says. */
  record(run: StatementRun, found: readonly FoundBreak[]): Promise<void>;
  /** Breaks MISSING_THERE and MISSING_HERE of other days, in whatever state, by reference. */
  missingOnOtherDays(run: Pick<StatementRun, 'statement' | 'day'>, references: readonly string[]): Promise<readonly StatementBreak[]>;
  /** Which of these days have an ended run over a whole statement. */
  reconciledDays(statement: string, days: readonly string[]): Promise<ReadonlySet<string>>;
  /** OPEN → RESOLVED, of other days, by this run's statement. What is not open is left alone. */
  resolveOnOtherDays(run: StatementRun, ids: readonly number[], why: string): Promise<void>;
  /** Open STATUS_DIFFERS of this run whose call is UNKNOWN here and ended there, in order, `limit` after the id `after`. */
  toSettle(run: StatementRun, page: { readonly after: number; readonly limit: number }): Promise<readonly StatementBreak[]>;
  /** OPEN → RESOLVED in somebody's transaction. */
  resolveWithin(em: EntityManager, run: StatementRun, id: number, decision: BreakDecision): Promise<void>;
  /** Moves up to `limit` open breaks of the run's day that this pass did not find to RESOLVED; gives how many there were. */
  resolveGone(run: StatementRun, kinds: readonly BreakKind[], limit: number): Promise<number>;
  /** The run is done; breaks of earlier days are not late any more. */
  finish(run: StatementRun): Promise<void>;
  report(runId: number): Promise<StatementReport>;
  list(filter: BreakFilter, page: { readonly after: number; readonly limit: number }): Promise<readonly StatementBreak[]>;
  history(id: number): Promise<readonly BreakAction[]>;
  /** By a person. Only what is OPEN can be decided. */
  decide(id: number, to: 'RESOLVED' | 'ACCEPTED', decision: BreakDecision): Promise<DecideBreakResult>;
}
