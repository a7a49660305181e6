/**
 * Where a saga stands. RUNNING goes forward through its actions, COMPENSATING back through what was done; PARKED waits
 * for a person. The other three are ends.
 */
export type SagaStatus = 'RUNNING' | 'COMPENSATING' | 'PARKED' | 'COMPLETED' | 'COMPENSATED' | 'ABANDONED';

export const SAGA_STATUSES: readonly SagaStatus[] = ['RUNNING', 'COMPENSATING', 'PARKED', 'COMPLETED', 'COMPENSATED', 'ABANDONED'];

/**
 * The only moves there are. RUNNING and COMPENSATING come back to themselves with each step and each wait. RUNNING →
 * COMPENSATED is a saga whose first effective action failed: nothing was done. Only a person leads out of PARKED.
 */
const TRANSITIONS: Readonly<Record<SagaStatus, readonly SagaStatus[]>> = {
  RUNNING: ['RUNNING', 'COMPENSATING', 'COMPLETED', 'COMPENSATED', 'PARKED'],
  COMPENSATING: ['COMPENSATING', 'COMPENSATED', 'PARKED'],
  PARKED: ['RUNNING', 'COMPENSATING', 'COMPLETED', 'COMPENSATED', 'ABANDONED'],
  COMPLETED: [],
  COMPENSATED: [],
  ABANDONED: [],
};

export const canSagaMove = (from: SagaStatus, to: SagaStatus): boolean => TRANSITIONS[from].includes(to);

/** Whether a runner has work to do on it, now or later. */
export const isSagaActive = (status: SagaStatus): status is 'RUNNING' | 'COMPENSATING' => status === 'RUNNING' || status === 'COMPENSATING';
