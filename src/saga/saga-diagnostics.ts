import type { KnownSaga } from './saga-store.ts';
import type { StepDirection } from './step-status.ts';
import { eventChannels } from '../shared/event-channels.ts';
import { operationChannels, type TraceCarrier } from '../shared/operation-channels.ts';

interface SagaEvent {
  readonly sagaId: string;
  readonly saga: string;
  readonly version: number;
  readonly correlationId: string;
}

/**
 * What runners tell, on `node:diagnostics_channel`, under `checkback:saga:<name>`, after the change has committed. A
 * runner that dies in between tells nothing: for metrics and alerts, not for business. Subscribers must not throw.
 */
export interface SagaDiagnostics {
  /** A runner has taken it up for the first time. */
  started: SagaEvent;
  'step-done': SagaEvent & { readonly step: string; readonly direction: StepDirection };
  /** It turns back: an action failed for good. */
  compensating: SagaEvent & { readonly error: string };
  completed: SagaEvent;
  compensated: SagaEvent & { readonly error: string };
  /** It waits for a person. */
  parked: SagaEvent & { readonly step: string; readonly direction: StepDirection; readonly error: string };
  /** Instances wait for a definition that this runner does not have. Told once a runner for each definition. */
  'unknown-definition': KnownSaga & { readonly instances: number };
}

const channels = eventChannels<SagaDiagnostics>('checkback:saga', {
  started: true,
  'step-done': true,
  compensating: true,
  completed: true,
  compensated: true,
  parked: true,
  'unknown-definition': true,
});

export const emitSagaEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onSagaEvent = channels.on;

/** What of a runner takes time, on `node:diagnostics_channel` under `checkback:saga:<name>`. */
export interface SagaOperations {
  /** One attempt at a step, until it is recorded; `trace` is what the saga was started with. */
  step: SagaEvent & {
    readonly step: string;
    readonly direction: StepDirection;
    readonly attempt: number;
    readonly trace: TraceCarrier;
  };
}

const operations = operationChannels<SagaOperations>('checkback:saga', { step: true });

export const runSagaOperation = operations.run;
/** Is told of each operation of the whole process as it begins; returns how to stop. */
export const onSagaOperation = operations.on;
