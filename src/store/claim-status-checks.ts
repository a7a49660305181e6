import { randomUUID } from 'node:crypto';
import { IsolationLevel } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { OpenState } from '../status-check/status-check-state.ts';
import type { CheckKey, ClaimedCheck, KnownCall } from '../status-check/status-check-store.ts';
import { retryTransient } from './external-call-database-error.ts';
import { statementsOn, type Transaction } from './statements.ts';
import { recordOf, SELECT_RECORD } from './status-check-columns.ts';

type Connection = ReturnType<MikroORM['em']['getConnection']>;

/** `(listener, call)` pairs for an `in (…)`, and their binds. */
export const pairsOf = (calls: readonly KnownCall[]) => ({
  sql: calls.map(() => '(?, ?)').join(', '),
  binds: calls.flatMap(({ listener, callName }) => [listener, callName]),
});

export const IS_FREE = '(s.lease_until is null or s.lease_until <= utc_timestamp(3))';

/**
 * One state after the other, each in the order of its index: sorting the two together would lock everything that is due,
 * and whoever claims at the same moment would find nothing.
 */
export const claimDue = (connection: Connection, calls: readonly KnownCall[], limit: number, leaseMs: number): Promise<ClaimedCheck[]> => {
  const { sql, binds } = pairsOf(calls);
  return claim(connection, leaseMs, async (tx) => {
    const ids: number[] = [];
    for (const state of ['DUE', 'RETRY'] satisfies OpenState[]) {
      if (ids.length === limit) break;
      const due = await tx.rows(
        `select s.id from status_check s force index (status_check_due)
         where s.state = '${state}' and s.next_check_at <= utc_timestamp(3) and (s.listener, s.call_name) in (${sql}) and ${IS_FREE}
         order by s.next_check_at, s.id limit ${limit - ids.length} for update skip locked`,
        binds,
      );
      ids.push(...due.map(({ id }) => Number(id)));
    }
    return ids;
  });
};

export const claimKey = async (
  connection: Connection,
  { callName, idempotencyKey }: CheckKey,
  leaseMs: number,
  earlyMs: number,
): Promise<ClaimedCheck | undefined> => {
  const [claimed] = await claim(connection, leaseMs, async (tx) => {
    const due = await tx.rows(
      `select s.id from status_check s where s.call_name = ? and s.idempotency_key = ? and s.state in ('DUE', 'RETRY')
         and s.next_check_at <= utc_timestamp(3) + interval ? microsecond and ${IS_FREE} for update skip locked`,
      [callName, idempotencyKey, earlyMs * 1000],
    );
    return due.map(({ id }) => Number(id));
  });
  return claimed;
};

/** Without gap locks, so that claiming and scheduling do not wait for each other. */
const claim = (connection: Connection, leaseMs: number, select: (tx: Transaction) => Promise<number[]>): Promise<ClaimedCheck[]> => {
  const fence = randomUUID();
  const work = async (tx: Transaction): Promise<ClaimedCheck[]> => {
    const ids = (await select(tx)).join(', ');
    if (ids === '') return [];
    await tx.run(
      `update status_check set lease_owner = ?, lease_until = utc_timestamp(3) + interval ? microsecond, claims = claims + 1,
         updated_at = utc_timestamp(3) where id in (${ids})`,
      [fence, leaseMs * 1000],
    );
    const rows = await tx.rows(`${SELECT_RECORD} where s.id in (${ids}) order by s.next_check_at, s.id`, []);
    return rows.map((row) => ({ ...recordOf(row), state: row['state'] as OpenState, fence }));
  };
  return retryTransient(() =>
    connection.transactional((context) => work(statementsOn(connection, context)), { isolationLevel: IsolationLevel.READ_COMMITTED }),
  );
};
