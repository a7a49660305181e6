import type { DeadLetterReason } from './dead-letter.ts';
import { eventChannels } from '../shared/event-channels.ts';

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

const channels = eventChannels<DeadLetterDiagnostics>('checkback:dead-letter', {
  kept: true,
  replayed: true,
  discarded: true,
  resolved: true,
});

export const emitDeadLetterEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onDeadLetterEvent = channels.on;
