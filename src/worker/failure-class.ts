import { CheckbackError } from '../errors.ts';

/**
 * Why a delivery came to no end, in the words a retry policy uses:
 * `connect` nothing was sent because no connection came about · `unavailable` the institution did not take it for now ·
 * `throttled` nothing was tried: the circuit is open, our own limit had no room, or another attempt with the same key is
 * in progress · `audit` our database could not write · `listener` everything else, the listener's own code foremost.
 */
export type FailureClass = 'connect' | 'unavailable' | 'throttled' | 'audit' | 'listener';

export const FAILURE_CLASSES: readonly FailureClass[] = ['connect', 'unavailable', 'throttled', 'audit', 'listener'];

const CLASSES: Readonly<Record<string, FailureClass>> = {
  CB_CONNECT: 'connect',
  CB_CONNECT_TIMEOUT: 'connect',
  CB_DEADLINE: 'connect',
  CB_CALL_UNAVAILABLE: 'unavailable',
  CB_CIRCUIT_OPEN: 'throttled',
  CB_CALL_THROTTLED: 'throttled',
  CB_CALL_IN_FLIGHT: 'throttled',
  CB_AUDIT_UNAVAILABLE: 'audit',
  CB_DATABASE_UNAVAILABLE: 'audit',
};

export const failureClassOf = (error: unknown): FailureClass =>
  error instanceof CheckbackError && Object.hasOwn(CLASSES, error.code) ? CLASSES[error.code]! : 'listener';
