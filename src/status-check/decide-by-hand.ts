import { CallRejectedError } from '../errors.ts';
import { type CheckContext, listenerOf } from './check-context.ts';
import { emitStatusCheckEvent } from './diagnostics.ts';
import type { Decision } from './status-check-state.ts';
import type { CheckKey } from './status-check-store.ts';

export interface HandDecision extends CheckKey, Decision {
  readonly to: 'SUCCESS' | 'FAIL';
  /** What the institution would have answered, for `onSuccess` and `onFail`. Default `undefined`: see that they can do without. */
  readonly response?: unknown;
}

/** `not-unknown`: it has an end already, or a request is under way; nothing was changed. */
export type HandResult = 'resolved' | 'not-on-record' | 'not-unknown' | 'unknown-listener';

/**
 * Settles a call of unknown outcome by a person's word, at any time and not only in REVIEW: its row moves, `onSuccess` or
 * `onFail` runs, and who, when and why are recorded, in one transaction and once. Rejects with `RangeError` without a
 * name or a reason, and with the error of the listener, nothing being changed.
 */
export const decideByHand = async (
  { callName, idempotencyKey, to, by, reason, response }: HandDecision,
  { store, calls, listeners, worker }: Pick<CheckContext, 'store' | 'calls' | 'listeners' | 'worker'>,
): Promise<HandResult> => {
  for (const [name, value] of Object.entries({ by, reason })) {
    if (value.trim() === '' || value.length > MAX_TEXT)
      throw new RangeError(`${name} must be 1 to ${MAX_TEXT} characters, got ${value.length}`);
  }
  const key = { callName, idempotencyKey };
  const record = await store.find(key);
  if (record === undefined) return 'not-on-record';
  if (record.state === 'DONE') return 'not-unknown';
  const listener = listenerOf(record, listeners);
  if (listener === undefined) return 'unknown-listener';
  const decoded = await worker.decodeMessage(record.message, listener.payload);
  const error = new CallRejectedError(`call "${callName}": failed by the decision of a person`);
  const known = { response, httpStatus: 0, replayed: false };
  const end = to === 'SUCCESS' ? ({ status: to, ...known } as const) : ({ status: to, error, ...known } as const);
  const isResolved = await calls.resolveUnknown(callName, idempotencyKey, to, {
    errorCode: to === 'FAIL' ? error.code : undefined,
    inTransaction: worker.inTransaction?.(listener, decoded, end),
    apply: async (em) => {
      await worker.applyOutcome(listener, decoded, em, end);
      await store.moveWithin(em, key, { to: 'DONE', outcome: to, person: { by, reason } });
    },
  });
  if (!isResolved) return 'not-unknown';
  const { correlationId } = record;
  emitStatusCheckEvent('resolved', { ...key, correlationId, listener: listener.name, outcome: to, through: 'person' });
  return 'resolved';
};

const MAX_TEXT = 500;
