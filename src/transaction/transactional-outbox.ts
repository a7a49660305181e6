import type { EntityManager } from '@mikro-orm/core';
import type { OutgoingMessage } from '../broker/message.ts';
import type { Lookup } from './lookup.ts';

/**
 * Port of the strategies without a half message: messages are rows of the business's own transaction, and somebody
 * outside this port sends them after COMMIT: a relay that polls, or one that reads the database's log.
 */
export interface TransactionalOutbox {
  /** Finds the rows of a transaction, as COMMIT whose answer was lost is settled by. They stay for longer than that takes. */
  readonly lookup: Lookup;
  /** Refuses, with `ConfigurationError`, a database that cannot take the rows. Called once, before anything else. */
  start(): Promise<void>;
  /**
   * Writes the messages in the transaction that `em` is bound to, in their order. Called after `execute`, again after a
   * deadlock. A rejection rolls the transaction back.
   */
  write(em: EntityManager, messages: readonly OutgoingMessage[]): Promise<void>;
  /** The rows of a transaction of this process are there for others to see. Must not throw nor wait. */
  committed(): void;
}
