import { traceOf } from '../broker/message.ts';
import { CallRejectedError } from '../errors.ts';
import type { CallOutcome } from '../gateway/gateway.ts';
import type { AnyMessageListener, ListenerMessage } from '../worker/message-listener.ts';
import { askInstitution, notAnswered, thrown } from './ask-institution.ts';
import { type CheckContext, listenerOf } from './check-context.ts';
import { emitStatusCheckEvent, runStatusCheckOperation } from './diagnostics.ts';
import type { ClaimedCheck } from './status-check-store.ts';
import { type WriteDown, writeDown } from './write-down.ts';

type End = Extract<CallOutcome<unknown>, { status: 'SUCCESS' | 'FAIL' }>;

/** A record on its way to an end. */
interface Check {
  readonly claimed: ClaimedCheck;
  readonly listener: AnyMessageListener;
  readonly decoded: ListenerMessage<unknown>;
  readonly written: WriteDown;
  readonly context: CheckContext;
  readonly signal: AbortSignal;
}

/**
 * Works one claimed record: asks the institution, or sends the request again, and writes down what came of it. The
 * listener's effects and the record's end are in the transaction that moves the call's own row, so they happen once,
 * whoever else works on it and wherever this process dies. Rejects only when the store does; the lease then ends by
 * itself and somebody asks again.
 */
export const checkOnce = (claimed: ClaimedCheck, context: CheckContext, signal: AbortSignal): Promise<void> => {
  const { listener, callName, idempotencyKey, correlationId, message } = claimed;
  const begun = () => ({ listener, callName, idempotencyKey, correlationId, trace: traceOf(message) });
  return runStatusCheckOperation('check', begun, () => check(claimed, context, signal));
};

const check = async (claimed: ClaimedCheck, context: CheckContext, signal: AbortSignal): Promise<void> => {
  const { callStatus, callName } = claimed;
  const listener = listenerOf(claimed, context.listeners);
  if (listener === undefined) {
    emitStatusCheckEvent('unknown-listener', { listener: claimed.listener, callName, count: 1 });
    context.logger.warn({ listener: claimed.listener, callName }, 'status check of a listener that is not here: left to another process');
    return context.store.release(claimed);
  }
  const { statusCheck } = listener.call;
  const written = writeDown(claimed, context, statusCheck);
  if (callStatus !== 'UNKNOWN' && callStatus !== 'PENDING') return written.asRecorded(callStatus);
  if (callStatus === 'UNKNOWN' && statusCheck === undefined) return written.review('no-status-check', { isCounted: false });
  let decoded: ListenerMessage<unknown>;
  try {
    decoded = await context.worker.decodeMessage(claimed.message, listener.payload);
    listener.input(decoded);
  } catch (error) {
    // Perhaps a newer version of the service understands it: left to its age, not condemned at once.
    return written.failed(callStatus === 'PENDING' ? 'RETRY' : 'DUE', error, 'the message on record cannot be understood any more');
  }
  const understood = { claimed, listener, decoded, written, context, signal };
  return callStatus === 'PENDING' ? repeat(understood) : ask(understood);
};

const ask = async (check: Check): Promise<void> => {
  const { claimed, context, decoded, listener, signal, written } = check;
  const answer = await askInstitution(context.gateway, listener.call, claimed, listener.input(decoded), signal);
  if (answer.said === 'STOPPED') return context.store.release(claimed);
  if (answer.said === 'NONE') {
    if (answer.isCounted) emitStatusCheckEvent('asked', { ...written.event, said: 'NONE', errorCode: answer.errorCode });
    return written.later('DUE', answer);
  }
  emitStatusCheckEvent('asked', { ...written.event, said: answer.said, errorCode: undefined });
  const refused = (why: string): CallRejectedError => new CallRejectedError(`call "${claimed.callName}": ${why}`);
  switch (answer.said) {
    case 'SUCCESS':
      return settle(check, { status: 'SUCCESS', response: answer.response, httpStatus: answer.httpStatus, replayed: false });
    case 'FAIL': {
      const error = refused('refused, as a status check found');
      return settle(check, { status: 'FAIL', error, response: answer.response, httpStatus: answer.httpStatus, replayed: false });
    }
    case 'ABSENT': {
      if (listener.call.statusCheck?.whenAbsent !== 'fail') return sendAgain(check);
      const error = refused('it never arrived, as a status check found');
      return settle(check, { status: 'FAIL', error, response: undefined, httpStatus: 0, replayed: false });
    }
  }
};

const settle = async ({ claimed, context, decoded, listener, written }: Check, end: End): Promise<void> => {
  const { calls, store, worker } = context;
  let isResolved: boolean;
  try {
    isResolved = await calls.resolveUnknown(claimed.callName, claimed.idempotencyKey, end.status, {
      errorCode: end.status === 'FAIL' ? end.error.code : undefined,
      inTransaction: worker.inTransaction?.(listener, decoded, end),
      apply: async (em) => {
        await worker.applyOutcome(listener, decoded, em, end);
        await store.moveWithin(em, claimed, { to: 'DONE', outcome: end.status });
      },
    });
  } catch (error) {
    return written.failed('DUE', error, `the institution says ${end.status}, and applying it failed: nothing is changed`);
  }
  if (!isResolved) return written.asRecorded(await store.callStatus(claimed));
  written.resolved(end.status, 'status-check');
};

const sendAgain = async (check: Check): Promise<void> => {
  const { claimed, context, written } = check;
  const { calls, store } = context;
  const isPending = await calls.resolveUnknown(claimed.callName, claimed.idempotencyKey, 'PENDING', {
    apply: (em) => store.moveWithin(em, claimed, { to: 'RETRY', afterMs: 0, note: { isCounted: true, said: 'ABSENT' } }),
  });
  return isPending ? repeat(check) : written.asRecorded(await store.callStatus(claimed));
};

/** Safe whatever the institution has: the same idempotency key, fenced by the call's own row. */
const repeat = async ({ claimed, context, decoded, listener, signal, written }: Check): Promise<void> => {
  const { gateway, store, worker } = context;
  const { idempotencyKey, correlationId } = claimed;
  emitStatusCheckEvent('repeated', written.event);
  let outcome: CallOutcome<unknown>;
  try {
    outcome = await gateway.call(listener.call, listener.input(decoded), {
      idempotencyKey,
      correlationId,
      signal,
      inTransaction: (end: End) => worker.inTransaction?.(listener, decoded, end),
      apply: async (em, end: End) => {
        await worker.applyOutcome(listener, decoded, em, end);
        await store.moveWithin(em, claimed, { to: 'DONE', outcome: end.status });
      },
    });
  } catch (error) {
    const answer = thrown(error, signal);
    return answer.said === 'STOPPED' ? store.release(claimed) : written.later('RETRY', answer);
  }
  if (outcome.status === 'SUCCESS' || outcome.status === 'FAIL') {
    return outcome.replayed ? written.asRecorded(outcome.status) : written.resolved(outcome.status, 'repeat');
  }
  const answer = notAnswered(outcome, signal);
  // Unknown again; its age goes on.
  if (outcome.status === 'UNKNOWN')
    return written.later('DUE', answer.said === 'NONE' ? answer : { ...UNTRIED, errorCode: outcome.error.code });
  return answer.said === 'STOPPED' ? store.release(claimed) : written.later('RETRY', answer);
};

const UNTRIED = { said: 'NONE', isCounted: false, retryAfterMs: undefined } as const;
