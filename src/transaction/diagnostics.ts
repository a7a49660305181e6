import { channel } from 'node:diagnostics_channel';
import type { Resolution } from '../broker/transactional-producer.ts';

interface TransactionEvent {
  readonly transactionId: string;
  readonly correlationId: string;
  readonly listener: string;
  readonly topic: string;
}

/**
 * What the publisher tells, on `node:diagnostics_channel`, under `checkback:<name>`. Subscribers run synchronously at the
 * moment it happens and must not throw; nothing is computed when nobody listens.
 */
export interface TransactionDiagnostics {
  /** The broker has stored the half message; the local transaction has not begun. */
  'half-sent': TransactionEvent;
  /** COMMIT was confirmed by the database; END has not left yet. */
  committed: TransactionEvent;
  /** The local transaction is rolled back; END has not left yet. */
  'rolled-back': TransactionEvent & { readonly reason: 'threw' | 'declined' | 'refused'; readonly error?: unknown };
  /** COMMIT was sent, its answer was lost, and the row could not be looked up in time. */
  'in-doubt': TransactionEvent & { readonly error: unknown };
  /** A check-back was answered. */
  checked: TransactionEvent & {
    readonly resolution: Resolution;
    readonly round: number;
    readonly ageMs: number | undefined;
    readonly reason?: string;
  };
  /** Asked many times and still UNKNOWN: the broker parks the message after its own maximum, and then nobody asks again. */
  'check-budget-low': TransactionDiagnostics['checked'];
  /**
   * Another service puts half messages on a topic of ours. Nothing is lost, but each is asked about the other's orders and
   * can only answer UNKNOWN, which uses up their check budget: give each service a topic of its own.
   */
  'foreign-owner': TransactionEvent & { readonly owner: string | undefined; readonly round: number };
  /** Clocks differ by more than a few seconds. The broker counts a half message's age by the clock of its sender. */
  'clock-offset': { readonly topic: string; readonly offsetMs: number };
  /** END was handed to the broker; not yet a proof that it acted on it. */
  ended: TransactionEvent & { readonly resolution: 'COMMIT' | 'ROLLBACK' };
  /** END was not confirmed; the check-back will find the truth. */
  'end-failed': TransactionEvent & { readonly resolution: 'COMMIT' | 'ROLLBACK'; readonly error: unknown };
}

const channels = {
  'half-sent': channel('checkback:half-sent'),
  committed: channel('checkback:committed'),
  'rolled-back': channel('checkback:rolled-back'),
  'in-doubt': channel('checkback:in-doubt'),
  checked: channel('checkback:checked'),
  'check-budget-low': channel('checkback:check-budget-low'),
  'foreign-owner': channel('checkback:foreign-owner'),
  'clock-offset': channel('checkback:clock-offset'),
  ended: channel('checkback:ended'),
  'end-failed': channel('checkback:end-failed'),
} satisfies Record<keyof TransactionDiagnostics, unknown>;

export function emitTransactionEvent<Name extends keyof TransactionDiagnostics>(name: Name, event: TransactionDiagnostics[Name]): void {
  if (channels[name].hasSubscribers) channels[name].publish(event);
}

/** Listens to one kind of event; returns how to stop. */
export function onTransactionEvent<Name extends keyof TransactionDiagnostics>(
  name: Name,
  listener: (event: TransactionDiagnostics[Name]) => void,
): () => void {
  const onMessage = (message: unknown): void => listener(message as TransactionDiagnostics[Name]);
  channels[name].subscribe(onMessage);
  return () => {
    channels[name].unsubscribe(onMessage);
  };
}
