import { describe, expect, it } from 'vitest';
import { CIRCUIT_EVENTS, CIRCUIT_KINDS, nextCircuit } from '../../src/gateway/circuit-state.ts';

describe('CircuitState', () => {
  const moves = new Map([
    ['closed tripped', 'open'],
    ['open probe-due', 'half-open'],
    ['half-open probe-failed', 'open'],
    ['half-open probe-passed', 'closed'],
  ]);
  const pairs = CIRCUIT_KINDS.flatMap((from) => CIRCUIT_EVENTS.map((event) => [from, event] as const));

  it.each(pairs)('%s, then %s, is as the table says', (from, event) => {
    expect(nextCircuit(from, event)).toBe(moves.get(`${from} ${event}`));
  });
});
