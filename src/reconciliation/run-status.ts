/** Where a run stands. A run whose process was killed stays RUNNING until it is taken up again, or is too old for that. */
export type RunStatus = 'RUNNING' | 'DONE' | 'ABANDONED';

export const RUN_STATUSES: readonly RunStatus[] = ['RUNNING', 'DONE', 'ABANDONED'];

const TRANSITIONS: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  RUNNING: ['DONE', 'ABANDONED'],
  DONE: [],
  ABANDONED: [],
};

export const canEnd = (from: RunStatus, to: RunStatus): boolean => TRANSITIONS[from].includes(to);

/** The statuses from which `to` can be reached. */
export const statusesBefore = (to: RunStatus): readonly RunStatus[] => RUN_STATUSES.filter((from) => canEnd(from, to));
