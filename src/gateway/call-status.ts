/** Where an external call stands. SUCCESS and FAIL are final; UNKNOWN means "the institution may have acted, ask it". */
export type CallStatus = 'PENDING' | 'SUCCESS' | 'FAIL' | 'UNKNOWN';

export const CALL_STATUSES: readonly CallStatus[] = ['PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN'];

/**
 * The only moves there are. PENDING → PENDING is an attempt that certainly had no effect; UNKNOWN → PENDING is a status
 * check that found nothing at the institution, so that the same key may be sent again.
 */
const TRANSITIONS: Readonly<Record<CallStatus, readonly CallStatus[]>> = {
  PENDING: ['SUCCESS', 'FAIL', 'UNKNOWN', 'PENDING'],
  UNKNOWN: ['SUCCESS', 'FAIL', 'PENDING'],
  SUCCESS: [],
  FAIL: [],
};

export const canTransition = (from: CallStatus, to: CallStatus): boolean => TRANSITIONS[from].includes(to);

/** Whether nothing can change the status any more. */
export const isFinal = (status: CallStatus): status is 'SUCCESS' | 'FAIL' => TRANSITIONS[status].length === 0;
