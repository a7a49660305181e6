import { describe, expect, it } from 'vitest';
import { CALL_STATUSES, canTransition, isFinal } from '../../src/gateway/call-status.ts';

describe('CallStatus', () => {
  const allowed = new Set([
    'PENDING SUCCESS',
    'PENDING FAIL',
    'PENDING UNKNOWN',
    'PENDING PENDING',
    'UNKNOWN SUCCESS',
    'UNKNOWN FAIL',
    'UNKNOWN PENDING',
  ]);
  const pairs = CALL_STATUSES.flatMap((from) => CALL_STATUSES.map((to) => [from, to] as const));

  it.each(pairs)('%s to %s is as the table says', (from, to) => {
    expect(canTransition(from, to)).toBe(allowed.has(`${from} ${to}`));
  });

  it('ends in SUCCESS and FAIL', () => {
    expect(CALL_STATUSES.filter(isFinal)).toEqual(['SUCCESS', 'FAIL']);
  });
});
