import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { CallStatus } from '../gateway/call-status.ts';
import { type Move, statesBefore } from '../status-check/status-check-state.ts';
import type {
  CheckKey,
  ClaimedCheck,
  KnownCall,
  NewStatusCheck,
  StatusCheckRecord,
  StatusCheckStore,
} from '../status-check/status-check-store.ts';
import { claimDue, claimKey, IS_FREE, pairsOf } from './claim-status-checks.ts';
import { isDuplicateKey, retryTransient } from './external-call-database-error.ts';
import { type Bind, statementsOn, type Transaction } from './statements.ts';
import { recordOf, SELECT_RECORD } from './status-check-columns.ts';

const IN = 'utc_timestamp(3) + interval ? microsecond';
const NOW = 'utc_timestamp(3)';
const BY_KEY = 'call_name = ? and idempotency_key = ?';
const SETTLED_AT_ONCE = 1_000;

/** The store on MySQL 8.4 and later, MariaDB 11 or a SQLite file of `openOrm`. Its table, and external_call beside it, must be in the ORM's database. */
export const mysqlStatusCheckStore = (orm: MikroORM): StatusCheckStore => new MysqlStatusCheckStore(orm);

class MysqlStatusCheckStore implements StatusCheckStore {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  async schedule(check: NewStatusCheck): Promise<boolean> {
    try {
      await retryTransient(() => insertRecord(this.#statements, check));
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }

  async claim({ calls, limit, leaseMs }: { readonly calls: readonly KnownCall[]; readonly limit: number; readonly leaseMs: number }) {
    return calls.length === 0 ? [] : claimDue(this.#orm.em.getConnection(), calls, limit, leaseMs);
  }

  claimOne(key: CheckKey, { leaseMs, earlyMs }: { readonly leaseMs: number; readonly earlyMs: number }) {
    return claimKey(this.#orm.em.getConnection(), key, leaseMs, earlyMs);
  }

  move({ callName, idempotencyKey, fence }: ClaimedCheck, move: Move): Promise<boolean> {
    const key = [callName, idempotencyKey];
    const connection = this.#orm.em.getConnection();
    const work = async (tx: Transaction): Promise<boolean> => {
      // The call's row first, as everybody locks them who settles a call.
      if (move.to === 'REVIEW') await tx.rows(`select id from external_call where ${BY_KEY} for update`, key);
      if (!(await moveRecord(tx, move, `${BY_KEY} and lease_owner = ?`, [...key, fence]))) return false;
      // Nobody sends it again, so PENDING would promise what does not come; and a person decides about UNKNOWN calls.
      if (move.to === 'REVIEW') {
        await tx.run(
          `update external_call set status = 'UNKNOWN', not_before = null, updated_at = ${NOW}
           where ${BY_KEY} and status = 'PENDING' and lease_owner is null`,
          key,
        );
      }
      return true;
    };
    return retryTransient(() => connection.transactional((context) => work(statementsOn(connection, context))));
  }

  async moveWithin(em: EntityManager, { callName, idempotencyKey }: CheckKey, move: Move): Promise<void> {
    const tx = statementsOn((em as MikroORM['em']).getConnection(), em.getTransactionContext());
    await moveRecord(tx, move, BY_KEY, [callName, idempotencyKey], true);
  }

  async release({ callName, idempotencyKey, fence }: ClaimedCheck): Promise<void> {
    const where = `${BY_KEY} and lease_owner = ?`;
    await this.#statements.run(`update status_check set lease_owner = null, lease_until = null where ${where}`, [
      callName,
      idempotencyKey,
      fence,
    ]);
  }

  async callStatus({ callName, idempotencyKey }: CheckKey): Promise<CallStatus | undefined> {
    const [row] = await this.#statements.rows(`select status from external_call where ${BY_KEY}`, [callName, idempotencyKey]);
    return row?.['status'] as CallStatus | undefined;
  }

  async find({ callName, idempotencyKey }: CheckKey): Promise<StatusCheckRecord | undefined> {
    const [row] = await this.#statements.rows(`${SELECT_RECORD} where s.call_name = ? and s.idempotency_key = ?`, [
      callName,
      idempotencyKey,
    ]);
    return row && recordOf(row);
  }

  async closeSettled(): Promise<number> {
    // Read without a lock: SUCCESS and FAIL do not change any more.
    const settled = await this.#statements.rows(
      `select s.id, c.status from status_check s join external_call c on c.call_name = s.call_name and c.idempotency_key = s.idempotency_key
       where s.state = 'REVIEW' and c.status in ('SUCCESS', 'FAIL') limit ${SETTLED_AT_ONCE}`,
      [],
    );
    let closed = 0;
    for (const { id, status } of settled) {
      const move: Move = { to: 'DONE', outcome: status as 'SUCCESS' | 'FAIL' };
      if (await moveRecord(this.#statements, move, 'id = ?', [Number(id)])) closed += 1;
    }
    return closed;
  }

  async overdueOfOthers(calls: readonly KnownCall[], overdueMs: number) {
    const known = pairsOf(calls);
    const rows = await this.#statements.rows(
      `select s.listener, s.call_name, count(*) as n from status_check s
       where s.state in ('DUE', 'RETRY') and s.next_check_at <= ${NOW} - interval ? microsecond and ${IS_FREE}
         ${calls.length === 0 ? '' : `and (s.listener, s.call_name) not in (${known.sql})`} group by s.listener, s.call_name`,
      [overdueMs * 1000, ...known.binds],
    );
    return rows.map((row) => ({ listener: row['listener'] as string, callName: row['call_name'] as string, count: Number(row['n']) }));
  }

  get #statements(): Transaction {
    return statementsOn(this.#orm.em.getConnection());
  }
}

const insertRecord = (tx: Transaction, { message, afterMs, ...check }: NewStatusCheck): Promise<unknown> =>
  tx.run(
    `insert into status_check (call_name, idempotency_key, listener, correlation_id, topic, tag, message_keys, properties, body,
       message_id, delivery_attempt, born_at, state, last_error_code, unknown_since, next_check_at, created_at, updated_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${NOW}, ${IN}, ${NOW}, ${NOW})`,
    [
      check.callName,
      check.idempotencyKey,
      check.listener,
      check.correlationId,
      message.topic,
      message.tag,
      JSON.stringify(message.keys),
      JSON.stringify(message.properties),
      Buffer.from(message.body),
      message.messageId,
      message.deliveryAttempt,
      message.bornAt ?? null,
      afterMs === undefined ? 'REVIEW' : 'DUE',
      check.errorCode ?? null,
      (afterMs ?? 0) * 1000,
    ],
  );

/** The transition table, as a condition. */
const moveRecord = async (tx: Transaction, move: Move, where: string, binds: readonly Bind[], isLeaseKept = false): Promise<boolean> => {
  const { sets, values } = changesOf(move);
  if (!isLeaseKept || move.to === 'DONE') sets.push('lease_owner = null', 'lease_until = null');
  const from = statesBefore(move.to).map((state) => `'${state}'`);
  const { affectedRows } = await tx.run(
    `update status_check set state = ?, ${sets.join(', ')}, updated_at = ${NOW} where ${where} and state in (${from.join(', ')})`,
    [move.to, ...values, ...binds],
  );
  return affectedRows > 0;
};

/** The columns a move writes; names of ours, never of anybody's input. */
function changesOf(move: Move): { readonly sets: string[]; readonly values: Bind[] } {
  if (move.to === 'DONE') {
    const { outcome, person } = move;
    return {
      // The body has served its purpose, and may hold what should not be kept longer than it must.
      sets: ['outcome = ?', 'decided_by = ?', 'decision_reason = ?', `done_at = ${NOW}`, "body = ''"],
      values: [outcome, person?.by ?? null, person?.reason ?? null],
    };
  }
  const { isCounted, said, errorCode } = move.note;
  const sets = [`checks = checks + ${isCounted ? 1 : 0}`, 'last_said = coalesce(?, last_said)', 'last_error_code = ?'];
  const values: Bind[] = [said ?? null, errorCode ?? null];
  if (move.to !== 'REVIEW') {
    sets.push(`next_check_at = ${IN}`);
    values.push(Math.round(move.afterMs) * 1000);
  }
  return { sets, values };
}
