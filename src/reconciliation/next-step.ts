import type { AnyMessageListener } from '../worker/message-listener.ts';
import type { AnyMessageSource } from './message-source.ts';
import type { CallStanding } from './open-call-store.ts';
import type { Verdict } from './verdict.ts';

/** What this process can do about calls. */
export interface Known {
  readonly listeners: readonly AnyMessageListener[];
  readonly sources: readonly AnyMessageSource[];
}

/** What is to be done about a call. */
export type Step =
  | { readonly kind: 'verdict'; readonly verdict: Verdict; readonly why?: string }
  /** It has no status check, and its message is to be found in the business's rows. */
  | { readonly kind: 'rebuild'; readonly source: AnyMessageSource }
  | { readonly kind: 'ask' }
  /** Somebody else is at it, for at most that long. */
  | { readonly kind: 'wait'; readonly ms: number };

/** Decides from what is on record, and guesses nothing. Pure. */
export const nextStep = (standing: CallStanding, { listeners, sources }: Known): Step => {
  const { status, isOfSaga, isAbandoned, attemptLeaseMs, check, callName } = standing;
  if (status === 'SUCCESS' || status === 'FAIL') return { kind: 'verdict', verdict: status };
  if (isOfSaga) return { kind: 'verdict', verdict: 'SAGA' };
  if (attemptLeaseMs > 0) return { kind: 'wait', ms: attemptLeaseMs };
  const callers = listeners.filter(({ call }) => call.name === callName);
  if (check !== undefined) {
    if (!callers.some(({ name }) => name === check.listener)) return noListener(`its listener "${check.listener}" is not here`);
    if (check.state === 'REVIEW')
      return { kind: 'verdict', verdict: 'REVIEW', why: 'its status check was given up: checkback unknown list' };
    if (check.state === 'DONE') return { kind: 'verdict', verdict: 'REVIEW', why: `its status check has ended, and its row is ${status}` };
    if (check.leaseMs > 0) return { kind: 'wait', ms: check.leaseMs };
    return check.isDue ? { kind: 'ask' } : { kind: 'verdict', verdict: 'WAITING' };
  }
  if (status === 'PENDING' && !isAbandoned)
    return { kind: 'verdict', verdict: 'IDLE', why: 'its message has not come again: look among the dead letters' };
  if (callers.length === 0) return noListener(`no listener here makes call "${callName}"`);
  const able = sources.filter(({ listener }) => callers.some(({ name }) => name === listener.name));
  // Which of several it belonged to would be a guess.
  if (able.length === 1 && callers.length === 1) return { kind: 'rebuild', source: able[0]! };
  const why = callers.length > 1 ? 'several listeners make this call' : 'no message source says how its message is found again';
  return { kind: 'verdict', verdict: 'NO_MESSAGE', why };
};

const noListener = (why: string): Step => ({ kind: 'verdict', verdict: 'NO_LISTENER', why });
