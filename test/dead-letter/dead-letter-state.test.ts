import { describe, expect, it } from 'vitest';
import { canTransition, DEAD_LETTER_STATES, type DeadLetterState, isFinal } from '../../src/dead-letter/dead-letter-state.ts';

const ALLOWED: Record<DeadLetterState, readonly DeadLetterState[]> = {
  OPEN: ['REPLAYING', 'DISCARDED', 'RESOLVED'],
  REPLAYING: ['REPLAYING', 'REPLAYED', 'OPEN'],
  REPLAYED: ['OPEN'],
  DISCARDED: [],
  RESOLVED: [],
};

describe('The states of a dead letter', () => {
  it.each(DEAD_LETTER_STATES.flatMap((from) => DEAD_LETTER_STATES.map((to) => [from, to] as const)))('%s → %s', (from, to) => {
    expect(canTransition(from, to)).toBe(ALLOWED[from].includes(to));
  });

  it('end with a decision', () => {
    expect(DEAD_LETTER_STATES.filter(isFinal)).toEqual(['DISCARDED', 'RESOLVED']);
  });
});
