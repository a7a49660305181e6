import { IsolationLevel } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { type OutboxState, statesBefore } from '../outbox/outbox-state.ts';
import type { ClaimedMessage, ClaimRequest, OutboxBacklog, OutboxStore, ParkedMessage } from '../outbox/outbox-store.ts';
import { retryTransient } from './external-call-database-error.ts';
import { claimMessages } from './mysql-outbox-claim.ts';
import { asReason, IN, NOW } from './mysql-outbox-rows.ts';
import { type Bind, statementsOn, type Transaction } from './statements.ts';

/** How long what a person has discarded is kept to be seen. */
const KEEP_DISCARDED_MS = 7 * 86_400_000;
const UNLEASED = 'lease_owner = null, fence = null';

/** The store on MySQL 8.4 and later or MariaDB 11. Its table must be in the ORM's database, beside the business's. */
export const mysqlOutboxStore = (orm: MikroORM): OutboxStore => new MysqlOutboxStore(orm);

class MysqlOutboxStore implements OutboxStore {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  claim(request: ClaimRequest): Promise<readonly ClaimedMessage[]> {
    return claimMessages(this.#orm.em.getConnection(), request);
  }

  markSent(messages: readonly ClaimedMessage[], keepMs: number): Promise<number> {
    // The fence stays, to be seen; nobody claims the row again.
    return this.#change(messages, 'SENT', `due_at = ${IN}, lease_owner = null, last_error = null`, [keepMs * 1000]);
  }

  async retryLater(message: ClaimedMessage, afterMs: number, reason: string): Promise<boolean> {
    return (
      (await this.#change([message], 'WAITING', `due_at = ${IN}, ${UNLEASED}, last_error = ?`, [
        Math.round(afterMs * 1000),
        asReason(reason),
      ])) > 0
    );
  }

  release(messages: readonly ClaimedMessage[]): Promise<number> {
    return this.#change(messages, 'WAITING', `due_at = ${NOW}, ${UNLEASED}, attempts = attempts - 1`, []);
  }

  async park(message: ClaimedMessage, reason: string): Promise<boolean> {
    return (await this.#change([message], 'PARKED', `${UNLEASED}, last_error = ?`, [asReason(reason)])) > 0;
  }

  async deleteKept(limit: number): Promise<number> {
    let deleted = 0;
    for (const state of ['SENT', 'DISCARDED']) {
      deleted += await this.#transaction(async (tx) => {
        // Locked first, so that relays that clean up at the same moment do not wait for each other.
        const rows = await tx.rows(
          `select id from outbox_message force index (outbox_message_due) where state = '${state}' and due_at <= ${NOW}
           order by due_at, id limit ${limit - deleted} for update skip locked`,
          [],
        );
        if (rows.length === 0) return 0;
        const ids = rows.map(({ id }) => Number(id)).join(', ');
        return (await tx.run(`delete from outbox_message where id in (${ids})`, [])).affectedRows;
      });
      if (deleted >= limit) break;
    }
    return deleted;
  }

  async backlog(): Promise<OutboxBacklog> {
    const rows = await this.#statements.rows(
      `select b.state, b.n, timestampdiff(microsecond, b.oldest, ${NOW}) as age from
         (select state, count(*) as n, min(created_at) as oldest from outbox_message where state in ('WAITING', 'PARKED') group by state) b`,
      [],
    );
    const waiting = rows.find(({ state }) => state === 'WAITING');
    const parked = rows.find(({ state }) => state === 'PARKED');
    return {
      waiting: Number(waiting?.['n'] ?? 0),
      parked: Number(parked?.['n'] ?? 0),
      oldestWaitingMs: waiting === undefined ? undefined : Math.max(0, Number(waiting['age']) / 1000),
    };
  }

  async parked(limit: number): Promise<readonly ParkedMessage[]> {
    const rows = await this.#statements.rows(
      `select id, transaction_id, topic, message_keys, attempts, last_error from outbox_message where state = 'PARKED' order by id limit ?`,
      [limit],
    );
    return rows.map((row) => ({
      id: Number(row['id']),
      transactionId: row['transaction_id'] as string,
      topic: row['topic'] as string,
      keys: JSON.parse(row['message_keys'] as string) as string[],
      attempts: Number(row['attempts']),
      reason: (row['last_error'] as string | null) ?? '',
    }));
  }

  requeue(id: number, by: string): Promise<boolean> {
    return this.#decide(id, by, `state = 'WAITING', due_at = ${NOW}`, []);
  }

  discard(id: number, by: string): Promise<boolean> {
    return this.#decide(id, by, `state = 'DISCARDED', due_at = ${IN}`, [KEEP_DISCARDED_MS * 1000]);
  }

  async #decide(id: number, by: string, sets: string, binds: readonly Bind[]): Promise<boolean> {
    const { affectedRows } = await this.#statements.run(
      `update outbox_message set ${sets}, decided_by = ?, updated_at = ${NOW} where id = ? and state = 'PARKED'`,
      [...binds, by.slice(0, 500), id],
    );
    return affectedRows > 0;
  }

  /** Of messages that are still claimed as they were. */
  async #change(messages: readonly ClaimedMessage[], to: OutboxState, sets: string, binds: readonly Bind[]): Promise<number> {
    let changed = 0;
    const from = statesBefore(to).map((state) => `'${state}'`);
    for (const [fence, claimed] of Map.groupBy(messages, (message) => message.fence)) {
      const ids = claimed.map(({ id }) => id).join(', ');
      const { affectedRows } = await retryTransient(() =>
        this.#statements.run(
          `update outbox_message set state = '${to}', ${sets}, updated_at = ${NOW}
           where id in (${ids}) and fence = ? and state in (${from.join(', ')})`,
          [...binds, fence],
        ),
      );
      changed += affectedRows;
    }
    return changed;
  }

  #transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const connection = this.#orm.em.getConnection();
    return retryTransient(() =>
      connection.transactional((context) => work(statementsOn(connection, context)), { isolationLevel: IsolationLevel.READ_COMMITTED }),
    );
  }

  get #statements(): Transaction {
    return statementsOn(this.#orm.em.getConnection());
  }
}
