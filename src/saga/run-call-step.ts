import type { EntityManager } from '@mikro-orm/core';
import { CheckbackError } from '../errors.ts';
import type { ExternalCallStore } from '../gateway/external-call-store.ts';
import type { CallOutcome, Gateway } from '../gateway/gateway.ts';
import type { AskInstitution } from './ask-institution.ts';
import type { AnySaga, CallStep, SagaState } from './define-saga.ts';
import { type ClaimedSaga, recordOf, stepKey } from './saga-instance.ts';
import type { RecordResult, SagaChange, SagaStore } from './saga-store.ts';
import { type StepOutcome, settleStep } from './settle-step.ts';
import { describeError } from './describe-error.ts';

export interface StepDeps {
  readonly store: SagaStore;
  readonly gateway: Gateway;
  readonly calls: ExternalCallStore;
  readonly ask: AskInstitution;
  readonly random: () => number;
}

/** What was recorded, for the events and for what comes next. `undefined`: look again. */
export interface Recorded {
  readonly result: RecordResult;
  readonly change: SagaChange;
}

// Somebody else's attempt, or a gateway that lets nothing through: nothing is known that was not known before.
const NOT_TRIED: ReadonlySet<string> = new Set(['CB_CALL_IN_FLIGHT', 'CB_CIRCUIT_OPEN', 'CB_CALL_THROTTLED']);

// oxlint-disable-next-line typescript/no-explicit-any -- checked where the saga was defined
type AnyCallStep = CallStep<any, any, any, any, any>;

/**
 * One attempt at a step that is a call: makes it, or finds what became of it, and records that. A final outcome is
 * recorded in the transaction that gives the call its own, so that no crash comes between.
 */
export async function runCallStep(
  saga: AnySaga,
  instance: ClaimedSaga,
  work: AnyCallStep,
  context: { readonly state: SagaState<unknown, unknown>; readonly attempt: number; readonly signal: AbortSignal },
  deps: StepDeps,
): Promise<Recorded | undefined> {
  const { store, random } = deps;
  const { signal } = context;
  const { call } = work;
  const { step, direction, correlationId } = instance;
  const before = recordOf(instance, step, direction);
  const idempotencyKey = stepKey(instance.id, saga.steps[step]!.name, direction, before?.round ?? 1);
  const settled = (outcome: StepOutcome): SagaChange => settleStep(saga, instance, outcome, random);
  const record = async (outcome: StepOutcome): Promise<Recorded> => {
    const change = settled(outcome);
    return { change, result: await store.record(instance, change) };
  };
  const resultOf = (response: unknown): string | undefined =>
    work.result === undefined ? undefined : JSON.stringify(work.result(response));

  let applied: Recorded | undefined;
  /** Records inside a transaction that is not ours to commit; the last run of it counts. */
  const applying = (outcome: () => StepOutcome) => async (em: EntityManager) => {
    applied = undefined;
    const change = settled(outcome());
    applied = { change, result: await store.record(instance, change, em) };
  };

  const input: unknown = work.input(context.state as never);
  const outcome: CallOutcome<unknown> = await deps.gateway.call(call, input, {
    idempotencyKey,
    correlationId,
    signal,
    apply: (em, end) =>
      applying(() =>
        end.status === 'SUCCESS' ? { kind: 'done', result: resultOf(end.response) } : { kind: 'failed', error: end.error.message },
      )(em),
  });

  switch (outcome.status) {
    case 'SUCCESS':
      // What was kept when the answer came is better than what the evidence still shows of it.
      return outcome.replayed ? record({ kind: 'done', result: before?.result ?? resultOf(outcome.response) }) : applied;
    case 'FAIL':
      return outcome.replayed ? record({ kind: 'failed', error: outcome.error.message }) : applied;
    case 'PENDING': {
      const { error, retryAfterMs } = outcome;
      if (error.acted !== 'no' || NOT_TRIED.has(error.code) || signal.aborted)
        return record({ kind: 'threw', error: error.message, counts: false, retryAfterMs });
      const giveUp = { callName: call.name, key: idempotencyKey };
      const noEffect = { kind: 'no-effect', error: error.message, counts: true, retryAfterMs, giveUp } as const;
      const recorded = await record(noEffect);
      // Somebody's attempt has begun meanwhile: its end will be known.
      return recorded.result === 'in-progress' ? record({ ...noEffect, counts: false, kind: 'threw' }) : recorded;
    }
    case 'UNKNOWN': {
      const times = call.statusCheck;
      const unknown = { kind: 'unknown', error: outcome.error.message, times } as const;
      if (before?.status !== 'UNKNOWN' || times === undefined) return record({ ...unknown, asked: false });
      const said = await deps.ask(call, input, { idempotencyKey, correlationId, nth: context.attempt, signal }).catch((error: unknown) => {
        if (error instanceof CheckbackError) return undefined;
        throw error;
      });
      if (said === undefined) return record({ ...unknown, asked: true });
      const resolve = (to: 'SUCCESS' | 'FAIL' | 'PENDING', end: () => StepOutcome): Promise<boolean> =>
        deps.calls.resolveUnknown(call.name, idempotencyKey, to, { apply: applying(end) });
      if (said.status === 'SUCCESS') await resolve('SUCCESS', () => ({ kind: 'done', result: resultOf(said.response) }));
      else if (said.status === 'FAIL') await resolve('FAIL', () => ({ kind: 'failed', error: 'the institution refused it' }));
      else {
        const error = 'it never arrived at the institution';
        const fails = times.whenAbsent === 'fail' || (direction === 'action' && before.failures + 1 >= saga.steps[step]!.retry.maxAttempts);
        if (fails) await resolve('FAIL', () => ({ kind: 'failed', error }));
        else await resolve('PENDING', () => ({ kind: 'no-effect', error, counts: true }));
      }
      return applied;
    }
  }
}

export const outcomeOfThrown = (error: unknown): StepOutcome => ({
  kind: 'threw',
  error: describeError(error),
  counts: !(error instanceof CheckbackError && error.retryable),
});
