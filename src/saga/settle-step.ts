import type { StatusCheckTimes } from '../gateway/status-check.ts';
import type { AnySaga } from './define-saga.ts';
import { type SagaInstance, recordOf } from './saga-instance.ts';
import type { SagaChange } from './saga-store.ts';
import { pauseMs } from './step-retry.ts';
import type { StepDirection, StepStatus } from './step-status.ts';

/** How an attempt at a step ended. */
export type StepOutcome =
  | { readonly kind: 'done'; readonly result: string | undefined }
  /** Refused for good: it had no effect and never will. */
  | { readonly kind: 'failed'; readonly error: string }
  /** It certainly had no effect. `giveUp` names its call, which must be ended before anybody relies on that for ever. */
  | {
      readonly kind: 'no-effect';
      readonly error: string;
      readonly counts: boolean;
      readonly retryAfterMs?: number | undefined;
      readonly giveUp?: SagaChange['giveUp'];
    }
  /** It did not get as far as an outcome, for a reason of our own. Never gives an action up. */
  | { readonly kind: 'threw'; readonly error: string; readonly counts: boolean; readonly retryAfterMs?: number | undefined }
  /** The institution may have acted. `asked` when it was asked just now and did not say. */
  | { readonly kind: 'unknown'; readonly error: string; readonly asked: boolean; readonly times: StatusCheckTimes | undefined };

/** What an outcome does to the saga. Pure; `random` gives a number in [0, 1). */
export function settleStep(saga: AnySaga, instance: SagaInstance, outcome: StepOutcome, random: () => number): SagaChange {
  const { step, direction } = instance;
  const definition = saga.steps[step]!;
  const { retry } = definition;
  const before = recordOf(instance, step, direction) ?? { failures: 0, round: 1, asked: 0, status: 'RUNNING', unknownForMs: undefined };
  const stepAs = (status: StepStatus, rest: Partial<SagaChange['step']> = {}): SagaChange['step'] => ({
    step,
    name: definition.name,
    direction,
    status,
    failures: before.failures,
    round: before.round,
    asked: 0,
    result: undefined,
    error: 'error' in outcome ? outcome.error : undefined,
    ...rest,
  });
  const stay = { status: direction === 'action' ? 'RUNNING' : 'COMPENSATING', step, direction, error: instance.error } as const;
  const again = (of: SagaChange['step'], afterMs: number): SagaChange => ({ step: of, to: { ...stay, afterMs } });
  const park = (of: SagaChange['step'], why: string): SagaChange => ({
    step: of,
    to: { ...stay, status: 'PARKED', error: `${direction} of "${definition.name}": ${why}`, afterMs: undefined },
  });

  switch (outcome.kind) {
    case 'done':
      return { step: stepAs('DONE', { result: outcome.result }), to: after(saga, instance) };
    case 'failed': {
      const failures = before.failures + 1;
      if (direction === 'action')
        return { step: stepAs('FAILED', { failures }), to: back(saga, step, actionError(definition.name, outcome)) };
      if (failures >= retry.maxAttempts) return park(stepAs('FAILED', { failures }), `refused for good: ${outcome.error}`);
      // The refused request had no effect; the next one is another request.
      return again(stepAs('WAITING', { failures, round: before.round + 1 }), pauseMs(failures, retry, random));
    }
    case 'no-effect': {
      const failures = before.failures + (outcome.counts ? 1 : 0);
      if (failures < retry.maxAttempts)
        return again(stepAs('WAITING', { failures }), (outcome.retryAfterMs ?? 0) + pauseMs(Math.max(1, failures), retry, random));
      if (direction === 'compensation') return park(stepAs('WAITING', { failures }), `no success in ${failures} tries: ${outcome.error}`);
      const to = back(saga, step, actionError(definition.name, outcome));
      return { step: stepAs('FAILED', { failures }), to, giveUp: outcome.giveUp };
    }
    case 'threw': {
      const failures = before.failures + (outcome.counts ? 1 : 0);
      const of = stepAs(before.status === 'UNKNOWN' ? 'UNKNOWN' : 'WAITING', { failures, asked: before.asked });
      return failures < retry.maxAttempts
        ? again(of, (outcome.retryAfterMs ?? 0) + pauseMs(Math.max(1, failures), retry, random))
        : park(of, `failed ${failures} times: ${outcome.error}`);
    }
    case 'unknown': {
      const { times } = outcome;
      const asked = outcome.asked ? before.asked + 1 : 0;
      const of = stepAs('UNKNOWN', { asked });
      if (times === undefined) return park(of, `its outcome is unknown and its call has no status check: ${outcome.error}`);
      if (outcome.asked && (before.unknownForMs ?? 0) >= times.maxAgeMs)
        return park(of, `its outcome is unknown and the institution does not say: ${outcome.error}`);
      const ceilingMs = Math.min(times.maxDelayMs, times.afterMs * 2 ** asked);
      return again(of, asked === 0 ? times.afterMs : Math.ceil(ceilingMs * (0.5 + random() / 2)));
    }
  }
}

const actionError = (name: string, { error }: { readonly error: string }): string => `action of "${name}": ${error}`;

type Position = SagaChange['to'];

/** Where a saga goes when the step it is at is done. */
export function after(saga: AnySaga, { step, direction, error }: Pick<SagaInstance, 'step' | 'direction' | 'error'>): Position {
  if (direction === 'compensation') return back(saga, step, error);
  return step + 1 < saga.steps.length
    ? { status: 'RUNNING', step: step + 1, direction, error: undefined, afterMs: undefined }
    : { status: 'COMPLETED', step, direction, error: undefined, afterMs: undefined };
}

/** Where a saga goes from `step` when everything before it is to be undone: the nearest step before it that has a compensation. */
export function back(saga: AnySaga, step: number, error: string | undefined): Position {
  const direction: StepDirection = 'compensation';
  for (let before = step - 1; before >= 0; before -= 1) {
    if (saga.steps[before]!.compensation !== undefined)
      return { status: 'COMPENSATING', step: before, direction, error, afterMs: undefined };
  }
  return { status: 'COMPENSATED', step, direction, error, afterMs: undefined };
}
