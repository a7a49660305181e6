import { describe, expect, it } from 'vitest';
import { canMove, LOG_STATES } from '../../src/segmented-log/log-state.ts';

describe('The state of a segmented log', () => {
  it('moves along these pairs and no others', () => {
    const moves = LOG_STATES.flatMap((from) => LOG_STATES.filter((to) => canMove(from, to)).map((to) => `${from} ${to}`));
    expect(moves).toEqual(['NEW OPENING', 'NEW CLOSED', 'OPENING NEW', 'OPENING OPEN', 'OPEN BROKEN', 'OPEN CLOSED', 'BROKEN CLOSED']);
  });
});
