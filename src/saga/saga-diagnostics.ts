import { channel } from 'node:diagnostics_channel';
import type { KnownSaga } from './saga-store.ts';
import type { StepDirection } from './step-status.ts';

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

const channels = {
  started: channel('checkback:saga:started'),
  'step-done': channel('checkback:saga:step-done'),
  compensating: channel('checkback:saga:compensating'),
  completed: channel('checkback:saga:completed'),
  compensated: channel('checkback:saga:compensated'),
  parked: channel('checkback:saga:parked'),
  'unknown-definition': channel('checkback:saga:unknown-definition'),
} satisfies Record<keyof SagaDiagnostics, unknown>;

export function emitSagaEvent<Name extends keyof SagaDiagnostics>(name: Name, event: SagaDiagnostics[Name]): void {
  if (channels[name].hasSubscribers) channels[name].publish(event);
}

/** Listens to one kind of event; returns how to stop. */
export function onSagaEvent<Name extends keyof SagaDiagnostics>(name: Name, listener: (event: SagaDiagnostics[Name]) => void): () => void {
  const onMessage = (message: unknown): void => listener(message as SagaDiagnostics[Name]);
  channels[name].subscribe(onMessage);
  return () => {
    channels[name].unsubscribe(onMessage);
  };
}
