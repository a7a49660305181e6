import { eventChannels } from '../shared/event-channels.ts';

/** What every event about one message of the outbox names. */
export interface OutboxEvent {
  readonly relay: string;
  readonly id: number;
  readonly transactionId: string;
  readonly correlationId: string;
  readonly topic: string;
}

/** What relays tell, on `node:diagnostics_channel`, under `checkback:outbox:<name>`. Subscribers run synchronously and must not throw. */
export interface OutboxDiagnostics {
  /** A batch was claimed. */
  claimed: { readonly relay: string; readonly count: number };
  /** The broker has stored the message; its row does not say so yet. */
  sent: OutboxEvent & { readonly messageId: string; readonly attempt: number };
  /** Not confirmed; tried again in `retryInMs`. */
  failed: OutboxEvent & { readonly error: unknown; readonly attempt: number; readonly retryInMs: number };
  /** The broker refused it for good: a person decides. */
  parked: OutboxEvent & { readonly error: unknown };
  /** Messages were claimed by another relay before this one could write down what it did: some are sent twice. */
  'lease-lost': { readonly relay: string; readonly count: number };
  /** Rows that had served their purpose were deleted. */
  cleaned: { readonly relay: string; readonly count: number };
}

const channels = eventChannels<OutboxDiagnostics>('checkback:outbox', {
  claimed: true,
  sent: true,
  failed: true,
  parked: true,
  'lease-lost': true,
  cleaned: true,
});

export const emitOutboxEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onOutboxEvent = channels.on;
