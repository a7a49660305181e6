import type { EntityManager } from '@mikro-orm/core';
import type { Resolution } from '../broker/transactional-producer.ts';
import type { HalfMessageView, Lookup } from './lookup.ts';

/**
 * One connection, reserved for one local transaction and fenced for its id: from before the half message until the
 * connection is given back, every check-back for that id answers UNKNOWN unless the transaction's fate is settled.
 */
export interface FencedSession {
  /** BEGIN. The entity manager works on this connection only and refuses work once COMMIT or ROLLBACK was asked for. */
  begin(signal: AbortSignal): Promise<EntityManager>;
  /** Flushes and sends COMMIT. Rejects with `CommitFailure`, which says whether COMMIT had been sent. */
  commit(): Promise<void>;
  /** ROLLBACK; never rejects, a connection that cannot do it is dropped, which has the same effect. Idempotent. */
  rollback(): Promise<void>;
  /** Ends the session on the server whatever it is doing, as for a transaction that overran. Never rejects. */
  kill(): Promise<void>;
}

/** COMMIT failed: `sent: false` means it never left, so the transaction is rolled back for certain. */
export class CommitFailure extends Error {
  readonly sent: boolean;
  constructor(cause: unknown, sent: boolean) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.sent = sent;
  }
}

/**
 * Port to the database that holds the business rows. Its fences are exact: `check` answers COMMIT only if the
 * transaction has committed, ROLLBACK only if it never will, and the same for ever after.
 */
export interface TransactionDatabase {
  /**
   * Reserves a connection, opens the fence, runs `work`, closes the fence and gives the connection back. Rejects with
   * `DatabaseUnavailableError` when there is no connection or fence within `timeoutMs`; `work` has not run then.
   */
  withFencedSession<T>(transactionId: string, timeoutMs: number, work: (session: FencedSession) => Promise<T>): Promise<T>;
  /** What became of the transaction, asked on the primary and on another connection. Rejects when the database cannot say: that is UNKNOWN. */
  check(lookup: Lookup, half: HalfMessageView, signal: AbortSignal): Promise<Resolution>;
  /** Refuses at start, with `ConfigurationError`, a database or a look-up that cannot answer exactly. */
  verify(listener: { readonly name: string; readonly lookup: Lookup }): Promise<void>;
  /** Refuses, with `ConfigurationError` and before anything is sent, a half message the look-up could not answer for. */
  assertCheckable(lookup: Lookup, half: HalfMessageView): void;
  /** Whether the caller is inside a transaction of its own on this database. */
  isInsideTransaction(): boolean;
}
