/**
 * Where the search for a call's end stands. DUE: the institution is to be asked. RETRY: it never got the request, which
 * is to be sent again under the same key. REVIEW: a person decides. DONE: the call row is SUCCESS or FAIL.
 */
export type StatusCheckState = 'DUE' | 'RETRY' | 'REVIEW' | 'DONE';

export const STATUS_CHECK_STATES: readonly StatusCheckState[] = ['DUE', 'RETRY', 'REVIEW', 'DONE'];

/** The states in which the engine itself still does something. */
export type OpenState = 'DUE' | 'RETRY';

/**
 * The only moves there are. DUE → DUE and RETRY → RETRY are another try later; RETRY → DUE is a repeated request whose
 * outcome is unknown again.
 */
const TRANSITIONS: Readonly<Record<StatusCheckState, readonly StatusCheckState[]>> = {
  DUE: ['DUE', 'RETRY', 'REVIEW', 'DONE'],
  RETRY: ['RETRY', 'DUE', 'REVIEW', 'DONE'],
  REVIEW: ['DONE'],
  DONE: [],
};

export const canMove = (from: StatusCheckState, to: StatusCheckState): boolean => TRANSITIONS[from].includes(to);

/** The states from which `to` can be reached. */
export const statesBefore = (to: StatusCheckState): readonly StatusCheckState[] => STATUS_CHECK_STATES.filter((from) => canMove(from, to));

/** What the institution said about the call; NONE when it said nothing that can be understood. */
export type InstitutionSaid = 'SUCCESS' | 'FAIL' | 'ABSENT' | 'NONE';

/** What a try that brought no end leaves behind. */
export interface CheckNote {
  /** Whether the institution was really asked. A circuit that was open or a database that was down does not count. */
  readonly isCounted: boolean;
  readonly said?: InstitutionSaid | undefined;
  readonly errorCode?: string | undefined;
}

/** A change of state and what goes with it. */
export type Move =
  | { readonly to: OpenState; readonly afterMs: number; readonly note: CheckNote }
  | { readonly to: 'REVIEW'; readonly note: CheckNote }
  | { readonly to: 'DONE'; readonly outcome: 'SUCCESS' | 'FAIL'; readonly person?: Decision | undefined };

/** Who decided, and why. */
export interface Decision {
  readonly by: string;
  readonly reason: string;
}
