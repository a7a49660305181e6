import type { CallStatus } from '../../gateway/call-status.ts';
import { resolveWholeNumbers } from '../../shared/whole-number-options.ts';

/** What counts as a difference, and what is done about one without asking a person. */
export interface StatementPolicy {
  /** Amounts that differ by so many minor units, or less, agree; by currency, `*` for all others. Default: none. */
  readonly tolerances: Readonly<Record<string, bigint>>;
  /** A row written so shortly before the cut-off may be in the next statement: its break is late until then. Default 0. */
  readonly lateRowsMs: number;
  /** Statuses of ours that a statement must have. Default SUCCESS and UNKNOWN. */
  readonly expected: readonly CallStatus[];
  /** Whether a break ends by itself when a later run or statement agrees. Default true. */
  readonly autoResolve: boolean;
  /** Whether a call whose outcome is UNKNOWN takes the one the statement says. Default false. */
  readonly settleOpen: boolean;
  /** `keep`: the whole lines of a truncated file are compared, and nothing is said of rows it does not have. Default `refuse`. */
  readonly truncated: 'refuse' | 'keep';
  /** A longer line is refused. Default 65,536. */
  readonly maxLineBytes: number;
}

export const DEFAULT_STATEMENT_POLICY: StatementPolicy = Object.freeze({
  tolerances: Object.freeze({}),
  lateRowsMs: 0,
  expected: Object.freeze(['SUCCESS', 'UNKNOWN'] as const),
  autoResolve: true,
  settleOpen: false,
  truncated: 'refuse',
  maxLineBytes: 65_536,
});

const RANGES = { lateRowsMs: [0, 86_400_000], maxLineBytes: [80, 1_048_576] } as const;

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveStatementPolicy = (options: Partial<StatementPolicy>): StatementPolicy => {
  const merged = { ...DEFAULT_STATEMENT_POLICY, ...options };
  const figures = resolveWholeNumbers(
    { lateRowsMs: merged.lateRowsMs, maxLineBytes: merged.maxLineBytes },
    { lateRowsMs: 0, maxLineBytes: 0 },
    RANGES,
  );
  for (const [currency, tolerance] of Object.entries(merged.tolerances))
    if (typeof tolerance !== 'bigint' || tolerance < 0n || !/^(?:[A-Z]{3}|\*)$/.test(currency))
      throw new RangeError(`tolerances must be bigints of at least 0 by currency, ${currency} is ${String(tolerance)}`);
  if (merged.truncated !== 'refuse' && merged.truncated !== 'keep')
    throw new RangeError(`truncated must be refuse or keep, it is ${String(merged.truncated)}`);
  return Object.freeze({ ...merged, ...figures });
};
