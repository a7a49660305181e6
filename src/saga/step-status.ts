/** Forward or back. */
export type StepDirection = 'action' | 'compensation';

/**
 * Where one direction of a step stands. RUNNING: begun, and how it ended is not on record; WAITING: it certainly had no
 * effect (yet) and is tried again; UNKNOWN: the institution may have acted and is asked; FAILED: refused for good.
 */
export type StepStatus = 'RUNNING' | 'WAITING' | 'UNKNOWN' | 'DONE' | 'FAILED';

export const STEP_STATUSES: readonly StepStatus[] = ['RUNNING', 'WAITING', 'UNKNOWN', 'DONE', 'FAILED'];

/**
 * The only moves there are. RUNNING → RUNNING is a runner that died; UNKNOWN → WAITING an institution that knows of
 * nothing; FAILED → WAITING and FAILED → DONE a person's word about a parked compensation.
 */
const TRANSITIONS: Readonly<Record<StepStatus, readonly StepStatus[]>> = {
  RUNNING: ['RUNNING', 'WAITING', 'UNKNOWN', 'DONE', 'FAILED'],
  WAITING: ['RUNNING', 'WAITING', 'UNKNOWN', 'DONE', 'FAILED'],
  UNKNOWN: ['UNKNOWN', 'WAITING', 'DONE', 'FAILED'],
  DONE: [],
  FAILED: ['WAITING', 'DONE'],
};

export const canStepMove = (from: StepStatus, to: StepStatus): boolean => TRANSITIONS[from].includes(to);
