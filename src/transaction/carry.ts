import type { HalfMessageView } from './lookup.ts';
import type { FencedSession } from './transaction-database.ts';

/** How the messages of one publication travel with its decision: one for each strategy, made for each `publish()`. */
export interface Carry {
  /** Before BEGIN, the fence being open. */
  open(): Promise<void>;
  /** Runs the local transaction and brings everything about that COMMIT needs. After a rejection the transaction is rolled back. */
  stand(session: FencedSession): Promise<void>;
  /** What the look-up asks by; there once `stand` has resolved. */
  readonly view: HalfMessageView | undefined;
  /** Whether something of it has left this process. */
  readonly hasLeft: boolean;
  /** For people: what becomes of the messages of a transaction that ended in doubt and had committed. */
  readonly ifCommitted: string;
  /** COMMIT is certain. What it rejects with is what `publish()` rejects with. */
  committed(): Promise<void> | void;
  /** COMMIT was not sent or not applied. Never throws. */
  rolledBack(): void;
}
