import { channel } from 'node:diagnostics_channel';
import type { DeadLetterReason } from './dead-letter.ts';

interface DeadLetterEvent {
  readonly id: number;
  readonly topic: string;
  readonly group: string;
  readonly listener: string | undefined;
  readonly messageId: string;
}

/**
 * What dead letters tell, on `node:diagnostics_channel`, under `checkback:dead-letter:<name>`. Subscribers run
 * synchronously at the moment it is committed and must not throw. No event carries a body.
 */
export interface DeadLetterDiagnostics {
  /** A message was kept; `isNew` is false when it had died before. */
  kept: DeadLetterEvent & { readonly reason: DeadLetterReason; readonly isNew: boolean };
  /** Sent to its topic again, and confirmed. */
  replayed: DeadLetterEvent & { readonly by: string; readonly to: string };
  discarded: DeadLetterEvent & { readonly by: string; readonly why: string | undefined };
  resolved: DeadLetterEvent & { readonly by: string; readonly why: string | undefined };
}

const channels = {
  kept: channel('checkback:dead-letter:kept'),
  replayed: channel('checkback:dead-letter:replayed'),
  discarded: channel('checkback:dead-letter:discarded'),
  resolved: channel('checkback:dead-letter:resolved'),
} satisfies Record<keyof DeadLetterDiagnostics, unknown>;

export function emitDeadLetterEvent<Name extends keyof DeadLetterDiagnostics>(name: Name, event: DeadLetterDiagnostics[Name]): void {
  if (channels[name].hasSubscribers) channels[name].publish(event);
}

/** Listens to one kind of event; returns how to stop. */
export function onDeadLetterEvent<Name extends keyof DeadLetterDiagnostics>(
  name: Name,
  listener: (event: DeadLetterDiagnostics[Name]) => void,
): () => void {
  const onMessage = (message: unknown): void => listener(message as DeadLetterDiagnostics[Name]);
  channels[name].subscribe(onMessage);
  return () => {
    channels[name].unsubscribe(onMessage);
  };
}
