import { describe, expect, it } from 'vitest';
import { canMove, STATUS_CHECK_STATES, statesBefore } from '../../src/status-check/status-check-state.ts';

describe('StatusCheckState', () => {
  const allowed = new Set([
    'DUE DUE',
    'DUE RETRY',
    'DUE REVIEW',
    'DUE DONE',
    'RETRY RETRY',
    'RETRY DUE',
    'RETRY REVIEW',
    'RETRY DONE',
    'REVIEW DONE',
  ]);
  const pairs = STATUS_CHECK_STATES.flatMap((from) => STATUS_CHECK_STATES.map((to) => [from, to] as const));

  it.each(pairs)('%s to %s is as the table says', (from, to) => {
    expect(canMove(from, to)).toBe(allowed.has(`${from} ${to}`));
    expect(statesBefore(to).includes(from)).toBe(allowed.has(`${from} ${to}`));
  });

  it('ends in DONE, and is left by a person from REVIEW', () => {
    expect(STATUS_CHECK_STATES.filter((from) => STATUS_CHECK_STATES.every((to) => !canMove(from, to)))).toEqual(['DONE']);
    expect(STATUS_CHECK_STATES.filter((to) => canMove('REVIEW', to))).toEqual(['DONE']);
  });
});
