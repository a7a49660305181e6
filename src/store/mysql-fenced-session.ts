import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { ControlledTransaction } from 'kysely';
import { withDeadline } from '../shared/deadline.ts';
import { CommitFailure, type FencedSession } from '../transaction/transaction-database.ts';
import { type Connection, primary, query } from './mysql-connection.ts';

/** A local transaction on one reserved connection. The fence around it is opened and closed by its owner. */
export class MysqlFencedSession implements FencedSession {
  readonly #orm: MikroORM;
  readonly #connection: Connection;
  readonly #connectionId: number;
  readonly #closed = new AbortController();
  // oxlint-disable-next-line typescript/no-explicit-any -- Kysely's own default for "any schema"
  #transaction: ControlledTransaction<any> | undefined;
  #em: EntityManager | undefined;

  constructor(orm: MikroORM, connection: Connection, connectionId: number) {
    this.#orm = orm;
    this.#connection = connection;
    this.#connectionId = connectionId;
  }

  async begin(signal: AbortSignal): Promise<EntityManager> {
    const transaction = await this.#connection.startTransaction().execute();
    this.#transaction = transaction;
    // The signal keeps work that was not awaited from running between our COMMIT and its answer, outside the transaction.
    const em = this.#orm.em.fork({ clear: true, useContext: false, signal: AbortSignal.any([signal, this.#closed.signal]) });
    em.setTransactionContext(transaction);
    this.#em = em as unknown as EntityManager;
    return this.#em;
  }

  async commit(): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined || this.#em === undefined) throw new CommitFailure(new Error('COMMIT without BEGIN'), false);
    if (transaction.isCommitted || transaction.isRolledBack) {
      throw new CommitFailure(new Error('the listener ended the transaction itself; the publisher decides'), transaction.isCommitted);
    }
    try {
      await this.#em.flush();
    } catch (error) {
      throw new CommitFailure(error, false);
    }
    this.#closed.abort(new Error('the local transaction is over; its entity manager takes no more work'));
    try {
      await transaction.commit().execute();
    } catch (error) {
      throw new CommitFailure(error, true);
    }
  }

  async rollback(): Promise<void> {
    this.#closed.abort(new Error('the local transaction is over; its entity manager takes no more work'));
    const transaction = this.#transaction;
    if (transaction === undefined || transaction.isCommitted || transaction.isRolledBack) return;
    try {
      await transaction.rollback().execute();
    } catch {
      await this.kill();
    }
  }

  async kill(): Promise<void> {
    this.#closed.abort(new Error('the local transaction was aborted'));
    // Over another connection: this one may be busy with the very statement to be ended.
    await primary(this.#orm)
      .then((pool) => query(pool, `kill ${this.#connectionId}`))
      .catch(() => {});
    // Not given back before it is seen dead, or the next order would get it.
    await withDeadline(query(this.#connection, 'do 1'), 1_000, () => new Error('no answer')).catch(() => {});
  }
}
