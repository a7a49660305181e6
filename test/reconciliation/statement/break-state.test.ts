import { describe, expect, it } from 'vitest';
import { BREAK_STATES, type BreakState, canMoveBreak, isReopened } from '../../../src/reconciliation/statement/break-state.ts';

describe('Break', () => {
  const allowed = new Set(['OPEN RESOLVED', 'OPEN ACCEPTED', 'RESOLVED OPEN', 'ACCEPTED OPEN']);
  const pairs = BREAK_STATES.flatMap((from) => BREAK_STATES.map((to): [BreakState, BreakState] => [from, to]));

  it.each(pairs)('%s → %s is as the table says', (from, to) => {
    expect(canMoveBreak(from, to)).toBe(allowed.has(`${from} ${to}`));
  });

  it.each([
    ['OPEN', undefined, true, false],
    ['OPEN', undefined, false, false],
    ['RESOLVED', 'policy', true, true],
    ['RESOLVED', 'policy', false, true],
    ['RESOLVED', 'statement', true, false],
    ['RESOLVED', 'statement', false, true],
    ['RESOLVED', 'person', true, false],
    ['RESOLVED', 'person', false, true],
    ['ACCEPTED', 'person', true, false],
    ['ACCEPTED', 'person', false, true],
  ] as const)('that is %s through %s and found with the same figures (%s) is reopened: %s', (state, through, isSame, expected) => {
    expect(isReopened({ state, through }, { isSame })).toBe(expected);
  });
});
