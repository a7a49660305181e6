import type { Resolution } from '../broker/transactional-producer.ts';
import { eventChannels } from '../shared/event-channels.ts';
import { operationChannels, type TraceCarrier } from '../shared/operation-channels.ts';

/** What every event about one transaction names. */
export interface TransactionEvent {
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
  /** The broker has stored the half message, or all `messages` of the decision; nothing is committed yet. */
  'half-sent': TransactionEvent & { readonly messages: number };
  /** COMMIT was confirmed by the database; END has not left yet. */
  committed: TransactionEvent;
  /** The local transaction is rolled back; END has not left yet. */
  'rolled-back': TransactionEvent & { readonly reason: 'threw' | 'declined' | 'refused'; readonly error?: unknown };
  /** The rows are committed, and the log that takes messages after COMMIT could not keep theirs; `outcome` says what that led to. */
  'message-not-kept': TransactionEvent & { readonly outcome: 'compensated' | 'not-compensated' | 'reported'; readonly error: unknown };
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

const channels = eventChannels<TransactionDiagnostics>('checkback', {
  'half-sent': true,
  committed: true,
  'rolled-back': true,
  'message-not-kept': true,
  'in-doubt': true,
  checked: true,
  'check-budget-low': true,
  'foreign-owner': true,
  'clock-offset': true,
  ended: true,
  'end-failed': true,
});

export const emitTransactionEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onTransactionEvent = channels.on;

/** What of a publisher takes time, on `node:diagnostics_channel` under `checkback:<name>`; the events above are told inside. */
export interface TransactionOperations {
  /** A whole `publish()`. What a subscriber puts into `trace` travels with the messages, in place of what the caller gave. */
  publish: {
    readonly listener: string;
    readonly topic: string;
    readonly correlationId: string | undefined;
    readonly trace: TraceCarrier;
  };
  /** A question of the broker until its answer; `trace` is what the half message carries. */
  'check-back': TransactionEvent & { readonly round: number; readonly trace: TraceCarrier };
}

const operations = operationChannels<TransactionOperations>('checkback', { publish: true, 'check-back': true });

export const runTransactionOperation = operations.run;
/** Is told of each operation of the whole process as it begins; returns how to stop. */
export const onTransactionOperation = operations.on;
