import { channel } from 'node:diagnostics_channel';
import type { InstitutionSaid } from './status-check-state.ts';

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

const channels = {
  scheduled: channel('checkback:status-check:scheduled'),
  'timer-failed': channel('checkback:status-check:timer-failed'),
  asked: channel('checkback:status-check:asked'),
  repeated: channel('checkback:status-check:repeated'),
  resolved: channel('checkback:status-check:resolved'),
  review: channel('checkback:status-check:review'),
  'unknown-listener': channel('checkback:status-check:unknown-listener'),
} satisfies Record<keyof StatusCheckDiagnostics, unknown>;

export function emitStatusCheckEvent<Name extends keyof StatusCheckDiagnostics>(name: Name, event: StatusCheckDiagnostics[Name]): void {
  if (channels[name].hasSubscribers) channels[name].publish(event);
}

/** Listens to one kind of event; returns how to stop. */
export function onStatusCheckEvent<Name extends keyof StatusCheckDiagnostics>(
  name: Name,
  listener: (event: StatusCheckDiagnostics[Name]) => void,
): () => void {
  const onMessage = (message: unknown): void => listener(message as StatusCheckDiagnostics[Name]);
  channels[name].subscribe(onMessage);
  return () => {
    channels[name].unsubscribe(onMessage);
  };
}
