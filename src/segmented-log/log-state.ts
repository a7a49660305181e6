/**
 * Where a log stands. NEW: not opened, or given up at opening. OPENING: the directory is being read. OPEN: takes appends.
 * BROKEN: a write or a sync failed; nothing is appended until somebody opens the directory anew, what is in it is still
 * drained. CLOSED: for good.
 */
export type LogState =
  | { readonly kind: 'NEW' | 'OPENING' | 'OPEN' | 'CLOSED' }
  | { readonly kind: 'BROKEN'; /** What failed first. */ readonly cause: unknown };

export type LogStateKind = LogState['kind'];

export const LOG_STATES: readonly LogStateKind[] = ['NEW', 'OPENING', 'OPEN', 'BROKEN', 'CLOSED'];

/** The only moves there are. There is no way back from BROKEN: a sync that is asked for again after one that failed proves nothing. */
const TRANSITIONS: Readonly<Record<LogStateKind, readonly LogStateKind[]>> = {
  NEW: ['OPENING', 'CLOSED'],
  OPENING: ['NEW', 'OPEN'],
  OPEN: ['BROKEN', 'CLOSED'],
  BROKEN: ['CLOSED'],
  CLOSED: [],
};

export const canMove = (from: LogStateKind, to: LogStateKind): boolean => TRANSITIONS[from].includes(to);
