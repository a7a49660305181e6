import type { StopReason } from '../errors.ts';

/** What a reader is at. */
export type CaptureState =
  | { readonly kind: 'NEW' }
  /** Another process reads, or this one has not had its turn yet. */
  | { readonly kind: 'STANDBY' }
  | { readonly kind: 'READING' }
  /** It is this one's turn, and the server does not answer. */
  | { readonly kind: 'TROUBLED' }
  /** Until somebody has acted and the process is started again. */
  | { readonly kind: 'STOPPED'; readonly reason: StopReason }
  | { readonly kind: 'CLOSED' };

const MOVES: Readonly<Record<CaptureState['kind'], readonly CaptureState['kind'][]>> = {
  NEW: ['STANDBY', 'CLOSED'],
  STANDBY: ['READING', 'TROUBLED', 'STOPPED', 'CLOSED'],
  READING: ['STANDBY', 'TROUBLED', 'STOPPED', 'CLOSED'],
  TROUBLED: ['STANDBY', 'CLOSED'],
  STOPPED: ['CLOSED'],
  CLOSED: [],
};

export const canMove = (from: CaptureState['kind'], to: CaptureState['kind']): boolean => MOVES[from].includes(to);

/** The state after; throws when there is no such move. */
export const moved = (from: CaptureState, to: CaptureState): CaptureState => {
  if (!canMove(from.kind, to.kind)) throw new Error(`a reader that is ${from.kind} cannot be ${to.kind} next`);
  return to;
};
