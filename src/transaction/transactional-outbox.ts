import type { OutgoingMessage } from '../broker/message.ts';
import type { Lookup } from './lookup.ts';
import type { SqlTransaction } from './sql-transaction.ts';
import type { AnyTransactionListener } from './transaction-listener.ts';

/**
 * Port of the strategies whose messages are found in the database after COMMIT: a relay that polls for rows written
 * here, or a reader of the database's own log.
 */
export interface TransactionalOutbox {
  /**
   * Finds the rows of a transaction, as COMMIT whose answer was lost is settled by; they stay for longer than that takes.
   * Default: each listener's own look-up.
   */
  readonly lookup?: Lookup;
  /** Refuses, with `ConfigurationError`, a database or a listener that this cannot work with. Called once, before anything else. */
  start(listeners: readonly AnyTransactionListener[]): Promise<void>;
  /**
   * Writes the messages in the transaction, in their order. Called after `execute`, again after a deadlock. A rejection
   * rolls the transaction back.
   */
  write(transaction: SqlTransaction, messages: readonly OutgoingMessage[]): Promise<void>;
  /** The rows of a transaction of this process are there for others to see. Must not throw nor wait. */
  committed(): void;
}
