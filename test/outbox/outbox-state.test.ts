import { describe, expect, it } from 'vitest';
import { OUTBOX_STATES, canMove, statesBefore } from '../../src/outbox/outbox-state.ts';

const ALLOWED = new Set(['WAITING WAITING', 'WAITING SENT', 'WAITING PARKED', 'PARKED WAITING', 'PARKED DISCARDED']);

describe('OutboxState', () => {
  it.each(OUTBOX_STATES.flatMap((from) => OUTBOX_STATES.map((to) => ({ from, to }))))('$from to $to', ({ from, to }) => {
    expect(canMove(from, to)).toBe(ALLOWED.has(`${from} ${to}`));
  });

  it('is SENT from WAITING alone', () => {
    expect(statesBefore('SENT')).toEqual(['WAITING']);
    expect(statesBefore('WAITING')).toEqual(['WAITING', 'PARKED']);
  });
});
