import type { InstitutionSaid } from './status-check-state.ts';
import { eventChannels } from '../shared/event-channels.ts';
import { operationChannels, type TraceCarrier } from '../shared/operation-channels.ts';

interface StatusCheckEvent {
  readonly listener: string;
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
}

/**
 * What becomes of calls with an unknown outcome, told on `node:diagnostics_channel` under `checkback:status-check:<name>`.
 * Subscribers run synchronously at the moment it happens and must not throw; nothing is computed when nobody listens.
 */
export interface StatusCheckDiagnostics {
  /** An unknown outcome is on record; `afterMs` is `undefined` when the call has no status check. */
  scheduled: StatusCheckEvent & { readonly afterMs: number | undefined };
  /** The timer message was not confirmed; the sweep finds the record. */
  'timer-failed': StatusCheckEvent & { readonly error: unknown };
  /** The institution was asked. */
  asked: StatusCheckEvent & { readonly said: InstitutionSaid; readonly errorCode: string | undefined; readonly unknownForMs: number };
  /** The institution never got the request: it is sent again under the same key. */
  repeated: StatusCheckEvent & { readonly unknownForMs: number };
  /** The call is SUCCESS or FAIL. `through`: the institution's word, the repeated request, a person, or somebody else who was first. */
  resolved: StatusCheckEvent & {
    readonly outcome: 'SUCCESS' | 'FAIL';
    readonly through: 'status-check' | 'repeat' | 'person' | 'elsewhere';
  };
  /** From here on a person has to decide. */
  review: StatusCheckEvent & { readonly reason: 'no-status-check' | 'too-old' | 'no-call'; readonly unknownForMs: number };
  /** Records are overdue, or a timer fired, and this process has no such listener: another one must, or they wait for ever. */
  'unknown-listener': { readonly listener: string; readonly callName: string; readonly count: number };
}

const channels = eventChannels<StatusCheckDiagnostics>('checkback:status-check', {
  scheduled: true,
  'timer-failed': true,
  asked: true,
  repeated: true,
  resolved: true,
  review: true,
  'unknown-listener': true,
});

export const emitStatusCheckEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onStatusCheckEvent = channels.on;

/** What of a status check takes time, on `node:diagnostics_channel` under `checkback:status-check:<name>`; the events above are told inside. */
export interface StatusCheckOperations {
  /** One look at a call of unknown outcome: the question, or the repeated request; `trace` is what its message carries. */
  check: StatusCheckEvent & { readonly trace: TraceCarrier };
}

const operations = operationChannels<StatusCheckOperations>('checkback:status-check', { check: true });

export const runStatusCheckOperation = operations.run;
/** Is told of each operation of the whole process as it begins; returns how to stop. */
export const onStatusCheckOperation = operations.on;
