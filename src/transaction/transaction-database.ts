import type { EntityManager } from '@mikro-orm/core';
import type { Resolution } from '../broker/transactional-producer.ts';
import type { HalfMessageView, Lookup } from './lookup.ts';
import type { SqlTransaction } from './sql-transaction.ts';
import type { HalfMode } from './transaction-listener.ts';

/**
 * What keeps a check-back from deciding over a transaction that may still commit. `session-lock`: a named lock on the
 * transaction's own connection, from before the half message until after COMMIT. `row`: the row itself, written before
 * the half message exists. `marker`: a row that is written once, by the transaction or by the check-back.
 */
export type Fence = 'session-lock' | 'row' | 'marker';

/** The fence follows from the look-up and from when the half message leaves. */
export function fenceOf(lookup: Lookup, half: HalfMode): Fence {
  if (lookup.kind === 'transactionMarker') return 'marker';
  return half === 'beforeCommit' ? 'row' : 'session-lock';
}

/** One connection, reserved for one local transaction. Not for concurrent use. */
export interface FencedSession {
  /**
   * BEGIN, and the marker where that is the fence. The entity manager works on this connection only and refuses work
   * once COMMIT, ROLLBACK or the session's end was asked for. May be called again after `rollback()`.
   */
  begin(): Promise<EntityManager>;
  /** The same without an entity manager. */
  beginSql(): Promise<SqlTransaction>;
  /** Statements of the transaction that was begun, whichever way. Throws when there is none. */
  readonly sql: SqlTransaction;
  /** Sends what the entity manager still holds. */
  flush(): Promise<void>;
  /**
   * Refuses a COMMIT whose row the look-up would not find: the message would be lost with its first lost END. Nothing to
   * wait for when the row is known to be there without a question.
   */
  proveRow(lookup: Lookup, half: HalfMessageView): Promise<void> | undefined;
  /** COMMIT. Whatever it rejects with, it may have been applied. */
  commit(): Promise<void>;
  /** ROLLBACK; never rejects, a connection that cannot do it is killed, which has the same effect. Idempotent. */
  rollback(): Promise<void>;
  /** Ends the session on the server whatever it is doing, as for a transaction that overran. Never rejects. */
  kill(): Promise<void>;
  /** Whether the transaction fell to a deadlock or a lock wait and may be run again from its BEGIN. */
  isWorthRepeating(error: unknown): boolean;
}

/**
 * Port to a database that holds business rows. Its answers are exact: COMMIT only if the transaction has committed,
 * ROLLBACK only if it never will, and the same for ever after.
 */
export interface TransactionDatabase {
  /**
   * Refuses, with `ConfigurationError`, a server or a look-up that cannot answer exactly. Called once for each publisher,
   * before anything else.
   */
  start(
    listeners: readonly { readonly name: string; readonly lookup: Lookup; readonly half: HalfMode }[],
    options: { readonly transactionTimeoutMs: number },
  ): Promise<void>;
  /**
   * Reserves a connection, opens the fence and runs `work`; settles as the work does, then closes the fence and gives the
   * connection back in the background. Rejects with `DatabaseUnavailableError` when there is no connection or fence within `timeoutMs`; `work` has not run then.
   */
  withFencedSession<T>(transactionId: string, fence: Fence, timeoutMs: number, work: (session: FencedSession) => Promise<T>): Promise<T>;
  /**
   * What became of the transaction, asked on the primary and on another connection. Answers by one rule for each kind of
   * look-up, whatever fence the sender used. Rejects when the database cannot say: that is UNKNOWN.
   */
  check(lookup: Lookup, half: HalfMessageView, signal: AbortSignal): Promise<Resolution>;
  /** Refuses, with `ConfigurationError` and before anything is sent, a half message the look-up could not answer for. */
  assertCheckable(lookup: Lookup, half: HalfMessageView): void;
  /** Whether the caller is inside a transaction of its own on this database. */
  isInsideTransaction(): boolean;
  /** Releases what the port itself holds. The business's connections stay the caller's. Idempotent. */
  close(): Promise<void>;
}
