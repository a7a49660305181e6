import type { OutgoingMessage } from '../broker/message.ts';

/**
 * Port of the strategy that keeps messages outside the database once COMMIT is certain, for somebody else to send. What
 * happens between COMMIT and `append` loses them: a crash, or an append that fails.
 */
export interface AfterCommitLog {
  /**
   * What a failed append means. `compensate`: the listener's `compensate` undoes the order in a transaction of its own
   * and `publish()` rejects. `report`: `publish()` resolves, an event tells, and reconciliation finds the row.
   */
  readonly onAppendFailure: 'compensate' | 'report';
  /** Refuses, with `ConfigurationError`, a place that cannot be written to. Called once, before anything else. */
  start(): Promise<void>;
  /** Throws before COMMIT what `append` would certainly fail with: messages that are too large, a log that is full, broken or closed. */
  admit(messages: readonly OutgoingMessage[]): void;
  /** Resolves once the messages are kept as durably as the log promises: all or none. Rejects otherwise; never waits longer than its own time limit. */
  append(messages: readonly OutgoingMessage[]): Promise<void>;
}
