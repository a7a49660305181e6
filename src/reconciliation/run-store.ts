import type { RunStatus } from './run-status.ts';
import type { Verdict } from './verdict.ts';

/** What is looked at. */
export type RunKind = 'open' | 'delivery';

/** Which run is wanted: a run that stopped half-way with the same kind, name and scope is this one. */
export interface WantedRun {
  readonly kind: RunKind;
  /** Of the message source, for deliveries; empty for open calls. */
  readonly name: string;
  /** Only what is younger: that much before the run's beginning, or than a moment. Default: everything. */
  readonly since?: { readonly agoMs: number } | { readonly at: Date } | undefined;
  /** The moment a schedule meant, in ISO 8601: a moment is run once, whatever the number of schedules. */
  readonly tick?: string | undefined;
}

/** A run of ours until it is released, or until this process ends in whatever way. */
export interface HeldRun {
  readonly id: number;
  readonly kind: RunKind;
  readonly name: string;
  /** Whether it was begun by somebody who did not finish it. */
  readonly isResumed: boolean;
  /** JSON; `undefined` at the beginning. */
  readonly cursor: string | undefined;
  /** The database's. */
  readonly startedAt: Date;
  readonly since: Date | undefined;
  /** Lets go of it. Idempotent; never rejects. */
  release(): Promise<void>;
}

/** One call, or one missing call, that a run has looked at. */
export interface RunItem {
  readonly id: number;
  readonly callName: string;
  readonly idempotencyKey: string;
}

/** What a run is on record with. */
export interface RunSummary {
  readonly id: number;
  readonly kind: RunKind;
  readonly name: string;
  readonly status: RunStatus;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
  /** Calls or rows gone through. */
  readonly looked: number;
  readonly totals: Readonly<Partial<Record<Verdict, number>>>;
}

/** Something a run left to do. */
export interface Break {
  /** Where the next page begins. */
  readonly id: number;
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly verdict: Verdict;
  readonly why: string | undefined;
}

/**
 * Keeps runs, how far each has come, and what it found. Safe for concurrent use from many processes; time is the
 * database's. Every method rejects with the driver's error when the database does not do its part.
 */
export interface ReconciliationRunStore {
  /**
   * Goes on with an unfinished run of this kind, name and scope that no living process holds and that was touched within
   * a day, or begins one. `undefined` for a `tick` that was run before, and for a delivery run that somebody else holds:
   * of those there is one at a time.
   */
  take(wanted: WantedRun): Promise<HeldRun | undefined>;
  /** Items without a verdict, or with this one, in order, `limit` after the id `after`. */
  undecided(
    run: HeldRun,
    page: { readonly verdict?: Verdict; readonly after: number; readonly limit: number },
  ): Promise<readonly RunItem[]>;
  /** Nothing is changed when the item has a final verdict: BUSY is the only one that may be replaced. */
  decide(item: RunItem, verdict: Verdict, why?: string): Promise<void>;
  /** RUNNING → DONE. */
  finish(run: HeldRun): Promise<void>;
  summary(runId: number): Promise<RunSummary>;
  /** What is left to do, ordered, `limit` after the id `after`. */
  breaks(runId: number, page: { readonly after: number; readonly limit: number }): Promise<readonly Break[]>;
  /** Removes the items of ended runs older than this, some thousands at most; the runs and their counts stay. */
  purge(olderThanMs: number): Promise<void>;
}
