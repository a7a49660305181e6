import type { SagaStatus } from './saga-status.ts';
import type { StepDirection, StepStatus } from './step-status.ts';

/** One direction of one step, as stored. */
export interface SagaStepRecord {
  /** Position in the saga, from 0. */
  readonly step: number;
  readonly name: string;
  readonly direction: StepDirection;
  readonly status: StepStatus;
  /** Times it was begun, questions to the institution among them. */
  readonly attempts: number;
  /** Tries of this round that ended without an effect. */
  readonly failures: number;
  /** 1, and one more for each compensation the institution refused for good: a new request, so a new idempotency key. */
  readonly round: number;
  /** Questions asked since the outcome became unknown. */
  readonly asked: number;
  /** Since the outcome became unknown; `undefined` when it is not. By the store's clock. */
  readonly unknownForMs: number | undefined;
  /** JSON; `undefined` before it is done, and when nothing is kept. */
  readonly result: string | undefined;
  readonly error: string | undefined;
}

/** A saga in progress or ended, with all its steps. */
export interface SagaInstance {
  readonly id: string;
  readonly saga: string;
  readonly version: number;
  readonly fingerprint: string;
  /** JSON. */
  readonly input: string;
  readonly correlationId: string;
  readonly status: SagaStatus;
  /** The step that is next, or that it stopped at. */
  readonly step: number;
  readonly direction: StepDirection;
  /** One more with every change. */
  readonly revision: number;
  readonly error: string | undefined;
  /** W3C trace context of what started it. */
  readonly traceparent?: string | undefined;
  readonly steps: readonly SagaStepRecord[];
}

/** An instance that is ours as long as its lease lasts. */
export interface ClaimedSaga extends SagaInstance {
  readonly fence: string;
}

/** Idempotency key of a step's call; the same for every attempt and every runner. */
export const stepKey = (sagaId: string, name: string, direction: StepDirection, round: number): string =>
  `${sagaId}:${name}${direction === 'action' ? '' : ':compensation'}${round === 1 ? '' : `:${round}`}`;

export const recordOf = ({ steps }: SagaInstance, step: number, direction: StepDirection): SagaStepRecord | undefined =>
  steps.find((record) => record.step === step && record.direction === direction);
