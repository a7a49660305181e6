/** What is wrong with a line of a statement, or with a row of ours that has none. */
export type BreakKind = 'MISSING_THERE' | 'MISSING_HERE' | 'AMOUNT_DIFFERS' | 'STATUS_DIFFERS' | 'DUPLICATE_THERE';

/** In the order of a report. */
export const BREAK_KINDS: readonly BreakKind[] = ['MISSING_THERE', 'MISSING_HERE', 'AMOUNT_DIFFERS', 'STATUS_DIFFERS', 'DUPLICATE_THERE'];

/** OPEN waits. RESOLVED: the difference is gone. ACCEPTED: it stays, and somebody said that this is all right. */
export type BreakState = 'OPEN' | 'RESOLVED' | 'ACCEPTED';

export const BREAK_STATES: readonly BreakState[] = ['OPEN', 'RESOLVED', 'ACCEPTED'];

/**
 * The only moves there are. Back to OPEN leads: what a policy resolved and a later run finds again, and what a person
 * decided on other figures than those found now.
 */
const TRANSITIONS: Readonly<Record<BreakState, readonly BreakState[]>> = {
  OPEN: ['RESOLVED', 'ACCEPTED'],
  RESOLVED: ['OPEN'],
  ACCEPTED: ['OPEN'],
};

export const canMoveBreak = (from: BreakState, to: BreakState): boolean => TRANSITIONS[from].includes(to);

/** Who ended a break: a rule, when a run found it to be gone; the statement of another day, which has what was missing; or a person. */
export type DecidedThrough = 'policy' | 'statement' | 'person';

/** How a break stands. */
export type BreakStanding =
  /** Late: the row was written so shortly before the cut-off that the next statement may well have it. */
  | { readonly state: 'OPEN'; readonly isLate: boolean }
  | {
      readonly state: 'RESOLVED' | 'ACCEPTED';
      readonly through: DecidedThrough;
      readonly by: string;
      readonly at: Date;
      readonly why: string;
    };

/** Whether a break that is found again opens again. A person's word, and another statement's, stand as long as the figures do. */
export const isReopened = (
  standing: { readonly state: BreakState; readonly through: DecidedThrough | undefined },
  { isSame }: { readonly isSame: boolean },
): boolean => canMoveBreak(standing.state, 'OPEN') && (standing.through === 'policy' || !isSame);
