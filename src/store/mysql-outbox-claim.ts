import { randomUUID } from 'node:crypto';
import { IsolationLevel } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { ClaimedMessage, ClaimRequest } from '../outbox/outbox-store.ts';
import { retryTransient } from './external-call-database-error.ts';
import { claimedOf, IN, NOW, SELECT_CLAIMED } from './mysql-outbox-rows.ts';
import { statementsOn, type Transaction } from './statements.ts';

/** With more lanes than this there is enough to send side by side; with fewer, what follows their first messages is claimed too. */
const FOLLOWED_LANES = 64;
/** Messages looked at for each that is wanted, before the next such window is: a backlog of few lanes is long and has few first messages. */
const WINDOW = 10;

type Connection = ReturnType<MikroORM['em']['getConnection']>;

/** Without gap locks, so that claims, inserts and marks do not wait for each other; each statement sees what was committed before it. */
export const claimMessages = (connection: Connection, request: ClaimRequest): Promise<readonly ClaimedMessage[]> => {
  const { owner, limit, leaseMs, parkedLane } = request;
  const fence = randomUUID();
  const blocking = parkedLane === 'hold' ? `'WAITING', 'PARKED'` : `'WAITING'`;
  const work = async (tx: Transaction): Promise<readonly ClaimedMessage[]> => {
    const heads = await lockHeads(tx, limit, blocking);
    if (heads.length === 0) return [];
    const followers = heads.length < Math.min(FOLLOWED_LANES, limit) ? await lockFollowers(tx, heads, limit - heads.length, blocking) : [];
    const ids = [...heads.map(({ id }) => id), ...followers].join(', ');
    await tx.run(
      `update outbox_message set due_at = ${IN}, lease_owner = ?, fence = ?, attempts = attempts + 1, updated_at = ${NOW} where id in (${ids})`,
      [leaseMs * 1000, owner.slice(0, 100), fence],
    );
    return (await tx.rows(`${SELECT_CLAIMED} where m.id in (${ids}) order by m.id`, [])).map(claimedOf);
  };
  return retryTransient(() =>
    connection.transactional((context) => work(statementsOn(connection, context)), { isolationLevel: IsolationLevel.READ_COMMITTED }),
  );
};

interface Head {
  readonly id: number;
  readonly lane: string | null;
}

/**
 * The first open messages of lanes among the oldest that are due. That an earlier one is open is read without a lock, from
 * before the statement: a message only ever leaves that state for good, so what is read is never too little.
 */
async function lockHeads(tx: Transaction, limit: number, blocking: string): Promise<readonly Head[]> {
  const size = limit * WINDOW;
  for (let offset = 0; ; offset += size) {
    const due = await tx.rows(
      `select id from outbox_message force index (outbox_message_due) where state = 'WAITING' and due_at <= ${NOW}
       order by due_at, id limit ${size} offset ${offset}`,
      [],
    );
    if (due.length === 0) return [];
    const heads = await tx.rows(
      `select m.id, m.lane from outbox_message m where m.id in (${due.map(({ id }) => Number(id)).join(', ')})
         and m.state = 'WAITING' and m.due_at <= ${NOW}
         and not exists (select 1 from outbox_message e where e.lane = m.lane and e.state in (${blocking}) and e.id < m.id)
       order by m.due_at, m.id limit ${limit} for update skip locked`,
      [],
    );
    // Only when a whole window belongs to lanes that wait for somebody is the next one worth a look.
    if (heads.length > 0 || due.length < size) return heads.map(({ id, lane }) => ({ id: Number(id), lane: lane as string | null }));
  }
}

/** What follows the heads in their lanes, as far as nothing between is parked, another's or not due. */
async function lockFollowers(tx: Transaction, heads: readonly Head[], room: number, blocking: string): Promise<readonly number[]> {
  const share = Math.floor(room / heads.length);
  const followed = heads.filter(({ lane }) => lane !== null);
  if (followed.length === 0 || share === 0) return [];
  // Read first and locked by id afterwards: a locking range would hold more of the lane than is taken.
  const next = await tx.rows(
    followed
      .map(
        (_, index) =>
          `select n${index}.* from (select id, lane from outbox_message where lane = ? and state in (${blocking}) and id > ?
           order by id limit ${share}) n${index}`,
      )
      .join(' union all '),
    followed.flatMap(({ id, lane }) => [lane, id]),
  );
  const runs = [...Map.groupBy(next, ({ lane }) => lane).values()].map((run) => run.map(({ id }) => Number(id)).toSorted((a, b) => a - b));
  const wanted = runs.flat();
  if (wanted.length === 0) return [];
  const rows = await tx.rows(
    `select id from outbox_message where id in (${wanted.join(', ')}) and state = 'WAITING' and due_at <= ${NOW} for update skip locked`,
    [],
  );
  const locked = new Set(rows.map(({ id }) => Number(id)));
  return runs.flatMap((run) => {
    const gap = run.findIndex((id) => !locked.has(id));
    return gap < 0 ? run : run.slice(0, gap);
  });
}
