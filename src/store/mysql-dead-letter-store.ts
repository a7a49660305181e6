import { hash, randomUUID } from 'node:crypto';
import type { MikroORM } from '@mikro-orm/mysql';
import type { DeadLetter, Death } from '../dead-letter/dead-letter.ts';
import type {
  DeadLetterAction,
  DeadLetterFilter,
  DeadLetterStore,
  DecideResult,
  Decision,
  ReplayClaim,
} from '../dead-letter/dead-letter-store.ts';
import { canTransition, type DeadLetterState } from '../dead-letter/dead-letter-state.ts';
import { conditionOf, dateOf, leaseOf, LETTER_COLUMNS, letterOf } from './dead-letter-rows.ts';
import { textOf } from './nullable-column.ts';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import { retryTransient } from './external-call-database-error.ts';
import { sqliteFileOf } from './open-sqlite-orm.ts';
import { type Bind, statementsOn, type Transaction } from './statements.ts';

const NOW = 'utc_timestamp(3)';
/** What the text columns take at most. */
const MAX_WHY = 1_000;

/** The store on MySQL 8.4 and later, MariaDB 11 or a SQLite file of `openOrm`. The ORM need not know the entities of these tables. */
export const mysqlDeadLetterStore = (orm: MikroORM): DeadLetterStore => new MysqlDeadLetterStore(orm);

class MysqlDeadLetterStore implements DeadLetterStore {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  keep(death: Death, by: string): Promise<{ id: number; isNew: boolean }> {
    return this.#inTransaction(async (tx) => {
      // SQLite says neither which row an update met nor that it was one; nobody else writes in between.
      const known = sqliteFileOf(this.#orm) && (await idOf(tx, death));
      const { affectedRows, insertId } = await upsert(tx, death);
      const id = known ?? insertId;
      // MySQL counts 1 for an insert and 2 for an update.
      const isNew = known === undefined && affectedRows === 1;
      await record(tx, id, isNew ? 'KEPT' : 'DIED_AGAIN', { by, reason: `${death.reason}: ${death.reasonText}` });
      return { id, isNew };
    });
  }

  async find(id: number): Promise<DeadLetter | undefined> {
    return findLetter(this.#bind(), id);
  }

  async body(id: number): Promise<Uint8Array | undefined> {
    return bodyOf(this.#bind(), id);
  }

  async list(filter: DeadLetterFilter, { afterId = 0, limit }: { afterId?: number | undefined; limit: number }): Promise<DeadLetter[]> {
    const { where, binds } = conditionOf(filter);
    const sql = `select ${LETTER_COLUMNS} from dead_letter where id > ?${where} order by id limit ?`;
    return (await this.#bind().rows(sql, [afterId, ...binds, limit])).map(letterOf);
  }

  async history(id: number): Promise<DeadLetterAction[]> {
    const rows = await this.#bind().rows(
      `select action, actor, timestampdiff(microsecond, '1970-01-01', at) div 1000 as at_ms, why
       from dead_letter_action where dead_letter_id = ? order by id`,
      [id],
    );
    return rows.map((row) => ({
      action: row['action'] as DeadLetterAction['action'],
      by: row['actor'] as string,
      at: dateOf(row['at_ms'])!,
      why: textOf(row['why']),
    }));
  }

  claimReplay(id: number, decision: Decision, leaseMs: number): Promise<ReplayClaim> {
    // One fence for every try: a COMMIT whose answer was lost is recognised by it.
    const fence = randomUUID();
    return this.#inTransaction(async (tx): Promise<ReplayClaim> => {
      const row = await lock(tx, id);
      if (row === undefined) return { kind: 'missing' };
      const state = row['state'] as DeadLetterState;
      if (!canTransition(state, 'REPLAYING')) return { kind: 'refused', state };
      if (row['lease_owner'] !== fence) {
        if (state === 'REPLAYING' && leaseOf(row) > 0) return { kind: 'in-flight', leaseMs: leaseOf(row) };
        if (state === 'REPLAYING') await record(tx, id, 'REPLAY_ABANDONED', { by: decision.by, reason: 'its lease had ended' });
        await tx.run(
          `update dead_letter set state = 'REPLAYING', lease_owner = ?, lease_until = ${NOW} + interval ? microsecond where id = ?`,
          [fence, leaseMs * 1000, id],
        );
        await record(tx, id, 'REPLAY_CLAIMED', decision);
      }
      return { kind: 'claimed', fence, letter: (await findLetter(tx, id))!, body: (await bodyOf(tx, id))! };
    });
  }

  endReplay(id: number, fence: string, to: 'REPLAYED' | 'OPEN', decision: Decision): Promise<boolean> {
    return this.#inTransaction(async (tx) => {
      const done = to === 'REPLAYED';
      const { affectedRows } = await tx.run(
        `update dead_letter set state = ?, lease_owner = null, lease_until = null
           ${done ? `, replays = replays + 1, decided_by = ?, decided_at = ${NOW}, decision_reason = ?` : ''}
         where id = ? and lease_owner = ? and state = 'REPLAYING'`,
        [to, ...(done ? [decision.by.slice(0, 128), why(decision)] : []), id, fence],
      );
      if (affectedRows === 0) return false;
      await record(tx, id, done ? 'REPLAYED' : 'REPLAY_FAILED', decision);
      return true;
    });
  }

  decide(id: number, to: 'DISCARDED' | 'RESOLVED', decision: Decision): Promise<DecideResult> {
    return this.#inTransaction(async (tx): Promise<DecideResult> => {
      const row = await lock(tx, id);
      if (row === undefined) return { kind: 'missing' };
      let state = row['state'] as DeadLetterState;
      if (state === 'REPLAYING') {
        if (leaseOf(row) > 0) return { kind: 'in-flight', leaseMs: leaseOf(row) };
        await record(tx, id, 'REPLAY_ABANDONED', { by: decision.by, reason: 'its lease had ended' });
        state = 'OPEN';
      }
      if (!canTransition(state, to)) return { kind: 'refused', state };
      await tx.run(
        `update dead_letter set state = ?, lease_owner = null, lease_until = null, decided_by = ?, decided_at = ${NOW}, decision_reason = ? where id = ?`,
        [to, decision.by.slice(0, 128), why(decision), id],
      );
      await record(tx, id, to, decision);
      return { kind: 'decided', letter: (await findLetter(tx, id))! };
    });
  }

  #bind(): Transaction {
    return statementsOn(this.#orm.em.getConnection('write'));
  }

  #inTransaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const connection = this.#orm.em.getConnection('write');
    return retryTransient(() => connection.transactional((context) => work(statementsOn(connection, context))));
  }
}

const why = ({ reason }: Decision): string | null => reason?.slice(0, MAX_WHY) ?? null;

/** The first failure's time, the state and the history stay; what the newest death knows replaces what was known. */
async function upsert(tx: Transaction, death: Death): Promise<{ affectedRows: number; insertId: number }> {
  const { identity, isReplay, topic, group, listener, callName, idempotencyKey, bornAt } = death;
  const body = Buffer.from(death.body.buffer, death.body.byteOffset, death.body.byteLength);
  const columns: Record<string, Bind> = {
    topic,
    consumer_group: group,
    identity,
    listener: listener ?? null,
    message_id: death.messageId.slice(0, 255),
    tag: death.tag,
    message_keys: JSON.stringify(death.keys),
    properties: JSON.stringify(death.properties),
    body,
    body_sha256: hash('sha256', body, 'buffer'),
    born_at: bornAt ?? null,
    reason: death.reason,
    reason_text: death.reasonText.slice(0, MAX_WHY),
    error_chain: JSON.stringify(death.errorChain),
    delivery_attempts: death.deliveryAttempts,
    call_name: callName ?? null,
    idempotency_key: idempotencyKey?.slice(0, 128) ?? null,
    correlation_id: (death.properties[MESSAGE_PROPERTY.correlationId] ?? death.messageId).slice(0, 128),
  };
  const names = Object.keys(columns);
  const renewed = ['message_id', 'reason', 'reason_text', 'error_chain', 'delivery_attempts'].map((name) => `${name} = values(${name})`);
  const filled = ['listener', 'call_name', 'idempotency_key'].map((name) => `${name} = coalesce(values(${name}), ${name})`);
  // Assigned from left to right: the lease goes by the state before, the state last.
  const reopened = isReplay
    ? ["lease_owner = if(state = 'REPLAYING', null, lease_owner)", "state = if(state in ('REPLAYING', 'REPLAYED'), 'OPEN', state)"]
    : [];
  return tx.run(
    `insert into dead_letter (${names.join(', ')}, first_failed_at, last_failed_at) values (${names.map(() => '?').join(', ')}, ${NOW}, ${NOW})
     on duplicate key update id = last_insert_id(id), deaths = deaths + 1, last_failed_at = ${NOW},
       ${[...renewed, ...filled, ...reopened].join(', ')}`,
    Object.values(columns),
  );
}

async function idOf(tx: Transaction, { topic, group, identity }: Death): Promise<number | undefined> {
  const [row] = await tx.rows('select id from dead_letter where topic = ? and consumer_group = ? and identity = ?', [
    topic,
    group,
    identity,
  ]);
  return row && Number(row['id']);
}

async function record(tx: Transaction, id: number, action: DeadLetterAction['action'], decision: Decision): Promise<void> {
  await tx.run(`insert into dead_letter_action (dead_letter_id, action, actor, at, why) values (?, ?, ?, ${NOW}, ?)`, [
    id,
    action,
    decision.by.slice(0, 128),
    why(decision),
  ]);
}

async function lock(tx: Transaction, id: number): Promise<Record<string, unknown> | undefined> {
  const [row] = await tx.rows(
    `select state, lease_owner, timestampdiff(microsecond, ${NOW}, lease_until) / 1000 as lease_ms from dead_letter where id = ? for update`,
    [id],
  );
  return row;
}

async function findLetter(tx: Transaction, id: number): Promise<DeadLetter | undefined> {
  const [row] = await tx.rows(`select ${LETTER_COLUMNS} from dead_letter where id = ?`, [id]);
  return row && letterOf(row);
}

async function bodyOf(tx: Transaction, id: number): Promise<Buffer | undefined> {
  const [row] = await tx.rows('select body from dead_letter where id = ?', [id]);
  return row?.['body'] as Buffer | undefined;
}
