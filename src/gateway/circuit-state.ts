/** Whether calls to an institution are let through: all of them, none, or one at a time to see how it is. */
export type CircuitState =
  | { readonly kind: 'closed'; readonly since: number }
  /** Until `probeAt` nothing is sent. `round` counts the openings since it was last closed, from 1. */
  | { readonly kind: 'open'; readonly since: number; readonly round: number; readonly probeAt: number }
  /** One call, the probe, may be on its way and decides. */
  | { readonly kind: 'half-open'; readonly since: number; readonly round: number };

export type CircuitKind = CircuitState['kind'];

/**
 * - `tripped` too many calls failed · `probe-due` the pause is over
 * - `probe-failed` the probe failed too, or the institution asked for more time · `probe-passed` it was answered
 */
export type CircuitEvent = 'tripped' | 'probe-due' | 'probe-failed' | 'probe-passed';

export const CIRCUIT_KINDS: readonly CircuitKind[] = ['closed', 'open', 'half-open'];
export const CIRCUIT_EVENTS: readonly CircuitEvent[] = ['tripped', 'probe-due', 'probe-failed', 'probe-passed'];

const TRANSITIONS: Readonly<Record<CircuitKind, Readonly<Partial<Record<CircuitEvent, CircuitKind>>>>> = {
  closed: { tripped: 'open' },
  open: { 'probe-due': 'half-open' },
  'half-open': { 'probe-failed': 'open', 'probe-passed': 'closed' },
};

/** The kind of state an event leads to; `undefined` when it means nothing there. */
export const nextCircuit = (from: CircuitKind, event: CircuitEvent): CircuitKind | undefined => TRANSITIONS[from][event];
