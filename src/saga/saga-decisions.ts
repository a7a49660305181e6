import { ConfigurationError, SagaConflictError } from '../errors.ts';
import type { AnySaga } from './define-saga.ts';
import { emitSagaEvent } from './saga-diagnostics.ts';
import { type SagaInstance, recordOf, stepKey } from './saga-instance.ts';
import { sagaRegistry } from './saga-runner-options.ts';
import type { SagaChange, SagaDecision, SagaStore, SettleCall } from './saga-store.ts';
import { after, back } from './settle-step.ts';

/** Who decides, and why; written down with the decision. */
export interface Decider {
  /** 1 to 100 characters. */
  readonly by: string;
  /** 1 to 1000 characters. */
  readonly why: string;
}

/** How the step a saga is parked at really ended, as a person found out. */
export type FoundOutcome =
  /** It had its effect, here or by hand. `result` is what the step would have kept, for the steps after it. */
  | { readonly outcome: 'DONE'; readonly result?: unknown }
  /** It had no effect and will have none: the saga compensates. Of an action only. */
  | { readonly outcome: 'FAILED' };

/**
 * What a person can do about a parked saga. Each resolves to the instance as it was when the decision was taken, and
 * rejects with `SagaConflictError` when it is not parked (any more) or there is none; nothing is changed then.
 */
export interface SagaDecisions {
  /** The step it is parked at is tried again, with all its attempts; an unknown outcome is asked after at once. */
  retry(id: string, decider: Decider): Promise<SagaInstance>;
  /**
   * The step it is parked at ended like this; the saga goes on from there. Its call, if it has one, gets the same end, so
   * that nobody makes it any more. Rejects with `ConfigurationError` when this saga's definition is not known here.
   */
  resume(id: string, found: FoundOutcome & Decider): Promise<SagaInstance>;
  /** Nothing more is done about it, whatever was done so far stays. For good. */
  abandon(id: string, decider: Decider): Promise<SagaInstance>;
}

/** The decisions a person may take on the sagas of a store. Throws `ConfigurationError` naming a wrong saga. */
export function sagaDecisions(store: SagaStore, sagas: readonly AnySaga[]): SagaDecisions {
  const find = sagaRegistry(sagas);
  const decide = async (
    id: string,
    kind: SagaDecision['kind'],
    { by, why }: Decider,
    change: (instance: SagaInstance) => SagaChange & { readonly settleCall?: SettleCall | undefined },
  ): Promise<SagaInstance> => {
    for (const [name, value, most] of [
      ['by', by, 100],
      ['why', why, 1_000],
    ] as const) {
      if (typeof value !== 'string' || value.trim() === '' || value.length > most)
        throw new RangeError(`${name} must be 1 to ${most} characters, it is ${JSON.stringify(value)}`);
    }
    let decision: SagaChange | undefined;
    const decided = await store.decide(id, { kind, by, why }, (instance) => {
      if (instance.status !== 'PARKED') throw new SagaConflictError(`saga "${id}" is ${instance.status}, not PARKED: nothing to ${kind}`);
      return (decision = change(instance));
    });
    if (decided === undefined) throw new SagaConflictError(`there is no saga "${id}"`);
    const { saga, version, correlationId } = decided;
    const event = { sagaId: id, saga, version, correlationId };
    if (decision?.to.status === 'COMPLETED') emitSagaEvent('completed', event);
    if (decision?.to.status === 'COMPENSATED') emitSagaEvent('compensated', { ...event, error: decision.to.error ?? '' });
    return decided;
  };
  return {
    retry: (id, decider) => decide(id, 'retry', decider, tryAgain),
    abandon: (id, decider) =>
      decide(id, 'abandon', decider, (instance) => ({
        step: parkedStep(instance),
        to: { ...here(instance), status: 'ABANDONED', error: instance.error, afterMs: undefined },
      })),
    resume: (id, found) =>
      decide(id, 'resume', found, (instance) => {
        const saga = find(instance);
        if (saga === undefined)
          throw new ConfigurationError(
            `saga "${id}" is of "${instance.saga}" version ${instance.version}, whose definition is not known here`,
          );
        return settled(saga, instance, found);
      }),
  };
}

const here = ({ step, direction }: SagaInstance): Pick<SagaChange['to'], 'step' | 'direction'> => ({ step, direction });

function parkedStep(instance: SagaInstance): SagaChange['step'] {
  const record = recordOf(instance, instance.step, instance.direction);
  if (record === undefined) throw new SagaConflictError(`saga "${instance.id}" is parked at a step that was never begun`);
  const { step, name, direction, status, failures, round, asked, result, error } = record;
  return { step, name, direction, status, failures, round, asked, result, error };
}

function tryAgain(instance: SagaInstance): SagaChange {
  const parked = parkedStep(instance);
  const wasRefused = parked.status === 'FAILED';
  return {
    step: {
      ...parked,
      status: wasRefused ? 'WAITING' : parked.status,
      failures: 0,
      asked: 0,
      // What was refused for good had no effect: the next request is another one.
      round: parked.round + (wasRefused ? 1 : 0),
    },
    to: { ...here(instance), status: instance.direction === 'action' ? 'RUNNING' : 'COMPENSATING', error: instance.error, afterMs: 0 },
  };
}

function settled(saga: AnySaga, instance: SagaInstance, found: FoundOutcome): SagaChange & { settleCall?: SettleCall } {
  const { step, direction } = instance;
  if (found.outcome === 'FAILED' && direction === 'compensation')
    throw new RangeError('a compensation that failed cannot be gone on from: retry it, say it is DONE, or abandon the saga');
  const parked = parkedStep(instance);
  const definition = saga.steps[step]!;
  const work = direction === 'action' ? definition.action : definition.compensation;
  const isDone = found.outcome === 'DONE';
  const result = isDone && found.result !== undefined ? JSON.stringify(found.result) : parked.result;
  const to = isDone ? after(saga, instance) : back(saga, step, `action of "${definition.name}": failed, as a person found out`);
  const key = stepKey(instance.id, definition.name, direction, parked.round);
  return {
    step: { ...parked, status: isDone ? 'DONE' : 'FAILED', result },
    to: { ...to, afterMs: to.status === 'RUNNING' || to.status === 'COMPENSATING' ? 0 : undefined },
    ...(work !== undefined &&
      typeof work !== 'function' && { settleCall: { callName: work.call.name, key, to: isDone ? 'SUCCESS' : 'FAIL' } }),
  };
}
