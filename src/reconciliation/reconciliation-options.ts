import { type Ranges, resolveWholeNumbers } from '../shared/whole-number-options.ts';

/** The figures of reconciliation; each has a default. */
export interface ReconciliationLimits {
  /** Rows of one transaction. Default 100. */
  readonly chunk: number;
  /** Calls worked at once. Default 4. */
  readonly concurrency: number;
  /**
   * How long a call stays ours while an institution is asked. Longer than a question and a repeated request together, as
   * that of a status checker; it is also how long a run waits for what a killed one was asking. Default 180,000 (3 minutes).
   */
  readonly leaseMs: number;
  /** A PENDING call between attempts is a break when nobody has tried for that long. Default 3,600,000 (an hour). */
  readonly idleAfterMs: number;
  /** How long items of ended runs are kept. Default 2,592,000,000 (30 days). */
  readonly keepItemsMs: number;
}

export const DEFAULT_RECONCILIATION_LIMITS: ReconciliationLimits = Object.freeze({
  chunk: 100,
  concurrency: 4,
  leaseMs: 180_000,
  idleAfterMs: 3_600_000,
  keepItemsMs: 2_592_000_000,
});

const RANGES: Ranges<ReconciliationLimits> = {
  chunk: [1, 1_000],
  concurrency: [1, 100],
  leaseMs: [1_000, 86_400_000],
  idleAfterMs: [0, 31_536_000_000],
  keepItemsMs: [86_400_000, 315_360_000_000],
};

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveReconciliationLimits = (options: Partial<ReconciliationLimits>): ReconciliationLimits =>
  resolveWholeNumbers(options, DEFAULT_RECONCILIATION_LIMITS, RANGES);
