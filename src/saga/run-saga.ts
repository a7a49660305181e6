import { StepRejectedError } from '../errors.ts';
import type { Logger } from '../shared/logger.ts';
import type { AnySaga, LocalStep, SagaState } from './define-saga.ts';
import { describeError } from './describe-error.ts';
import { type Recorded, type StepDeps, outcomeOfThrown, runCallStep } from './run-call-step.ts';
import { emitSagaEvent, runSagaOperation } from './saga-diagnostics.ts';
import type { ClaimedSaga, SagaInstance } from './saga-instance.ts';
import type { SagaChange } from './saga-store.ts';
import { isSagaActive } from './saga-status.ts';
import { settleStep } from './settle-step.ts';

export interface RunSagaDeps extends StepDeps {
  readonly leaseMs: number;
  /** Aborted: the step in progress is ended, no other is begun. */
  readonly stopping: AbortSignal;
  readonly logger: Logger;
}

/**
 * Takes a claimed instance from step to step until it ends, has to wait, is parked, or is not ours any more. Rejects with
 * the store's error; the instance is found again when its lease ends.
 */
export async function runSaga(saga: AnySaga, claimed: ClaimedSaga, deps: RunSagaDeps, signal: AbortSignal): Promise<void> {
  const { store, leaseMs } = deps;
  if (claimed.steps.length === 0) emitSagaEvent('started', eventOf(claimed));
  for (let instance: ClaimedSaga | undefined = claimed; instance !== undefined; instance = await store.reload(instance)) {
    if (signal.aborted || deps.stopping.aborted) return store.release(instance);
    const current: ClaimedSaga = instance;
    const { step, direction } = instance;
    const definition = saga.steps[step]!;
    const work = direction === 'action' ? definition.action : definition.compensation!;
    const heldMs = typeof work === 'function' ? leaseMs : leaseMs + work.call.timeouts.totalMs;
    const attempt = await store.begin(instance, { step, name: definition.name, direction }, heldMs);
    if (attempt === undefined) return;
    const state = stateOf(instance);
    const begun = () => ({ ...eventOf(current), step: definition.name, direction, attempt, trace: { traceparent: current.traceparent } });
    const recorded = await runSagaOperation('step', begun, async () =>
      typeof work === 'function'
        ? runLocalStep(saga, current, work, state, deps)
        : runCallStep(saga, current, work, { state, attempt, signal }, deps).catch(async (error: unknown) => {
            if (signal.aborted) return undefined;
            return recordThrown(saga, current, error, deps);
          }),
    );
    if (recorded === undefined) continue;
    if (recorded.result !== 'recorded') return;
    tell(instance, definition.name, recorded.change, deps.logger);
    const { to } = recorded.change;
    if (!isSagaActive(to.status) || to.afterMs !== undefined) return;
  }
}

/** The function and the record of its step are one transaction; when it throws, both are undone and that is recorded. */
async function runLocalStep(
  saga: AnySaga,
  instance: ClaimedSaga,
  work: LocalStep<never, never, unknown>,
  state: SagaState<unknown, unknown>,
  { store, random }: RunSagaDeps,
): Promise<Recorded> {
  let change: SagaChange | undefined;
  try {
    const result = await store.recordWith(instance, async (em) => {
      const value = await work(em, state as never);
      change = settleStep(saga, instance, { kind: 'done', result: value === undefined ? undefined : JSON.stringify(value) }, random);
      return change;
    });
    return { result, change: change! };
  } catch (error) {
    const failed = { error: describeError(error) };
    change = settleStep(
      saga,
      instance,
      error instanceof StepRejectedError ? { kind: 'failed', ...failed } : { kind: 'no-effect', counts: true, ...failed },
      random,
    );
    return { result: await store.record(instance, change), change };
  }
}

async function recordThrown(
  saga: AnySaga,
  instance: ClaimedSaga,
  error: unknown,
  { store, random, logger }: RunSagaDeps,
): Promise<Recorded> {
  const change = settleStep(saga, instance, outcomeOfThrown(error), random);
  logger.warn({ ...eventOf(instance), error: describeError(error) }, 'a saga step could not be run');
  return { result: await store.record(instance, change), change };
}

/** What steps see. Everything comes from the store, so that a run and its repetition see the same. */
export function stateOf(instance: SagaInstance): SagaState<unknown, unknown> {
  const done = instance.steps.filter(({ direction, status }) => direction === 'action' && status === 'DONE');
  return Object.freeze({
    sagaId: instance.id,
    correlationId: instance.correlationId,
    input: JSON.parse(instance.input) as unknown,
    results: Object.fromEntries(done.map(({ name, result }) => [name, result === undefined ? undefined : (JSON.parse(result) as unknown)])),
  });
}

const eventOf = ({
  id,
  saga,
  version,
  correlationId,
}: SagaInstance): { sagaId: string; saga: string; version: number; correlationId: string } => ({
  sagaId: id,
  saga,
  version,
  correlationId,
});

function tell(instance: SagaInstance, step: string, { step: of, to }: SagaChange, logger: Logger): void {
  const event = eventOf(instance);
  const { direction } = instance;
  const error = to.error ?? '';
  logger.info({ ...event, step, direction, stepStatus: of.status, status: to.status, afterMs: to.afterMs, error: of.error }, 'saga step');
  if (of.status === 'DONE') emitSagaEvent('step-done', { ...event, step, direction });
  if (to.status === 'COMPENSATING' && direction === 'action') emitSagaEvent('compensating', { ...event, error });
  if (to.status === 'COMPLETED') emitSagaEvent('completed', event);
  if (to.status === 'COMPENSATED') emitSagaEvent('compensated', { ...event, error });
  if (to.status !== 'PARKED') return;
  emitSagaEvent('parked', { ...event, step, direction, error });
  logger.error({ ...event, step, direction, error }, 'saga parked: a person has to decide');
}
