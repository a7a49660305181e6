/**
 * Where a message of the outbox stands. WAITING: a relay sends it when it is due. SENT: the broker has stored it.
 * PARKED: the broker refused it for good, and a person decides. DISCARDED: the person decided that it is not sent.
 */
export type OutboxState = 'WAITING' | 'SENT' | 'PARKED' | 'DISCARDED';

export const OUTBOX_STATES: readonly OutboxState[] = ['WAITING', 'SENT', 'PARKED', 'DISCARDED'];

/** The only moves there are. WAITING → WAITING is another try later. */
const TRANSITIONS: Readonly<Record<OutboxState, readonly OutboxState[]>> = {
  WAITING: ['WAITING', 'SENT', 'PARKED'],
  PARKED: ['WAITING', 'DISCARDED'],
  SENT: [],
  DISCARDED: [],
};

export const canMove = (from: OutboxState, to: OutboxState): boolean => TRANSITIONS[from].includes(to);

/** The states from which `to` can be reached. */
export const statesBefore = (to: OutboxState): readonly OutboxState[] => OUTBOX_STATES.filter((from) => canMove(from, to));
