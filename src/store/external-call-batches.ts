import type { MikroORM } from '@mikro-orm/mysql';
import type { PoolConnection, ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import type { CallStatus } from '../gateway/call-status.ts';
import type { CloseResult, OpenedAttempt, OpenResult, RequestRecord, ResponseSnapshot } from '../gateway/external-call-store.ts';
import { withDeadline } from '../shared/deadline.ts';
import { insertAttempts, insertResponses } from './external-call-evidence.ts';
import { sqliteFileOf } from './open-sqlite-orm.ts';
import { businessPool } from './side-pool.ts';
import { asText, type Bind, statementsOn, type Transaction } from './statements.ts';

/** An attempt to open, under the fence it is to have. */
export interface Opening {
  readonly request: RequestRecord;
  readonly fence: string;
  readonly leaseMs: number;
}

/** An attempt to close, without an effect of the caller's. */
export interface Closing {
  readonly opened: OpenedAttempt;
  readonly snapshot: ResponseSnapshot;
  readonly to: CallStatus;
  readonly notBeforeMs: number | undefined;
  /** Default: the snapshot's. */
  readonly errorCode?: string;
}

/** `undefined` for a call that has a row already, or for which another one in the same batch asked: it is to be opened by itself. */
export const openTogether = (orm: MikroORM, openings: readonly Opening[]): Promise<(OpenResult | undefined)[]> =>
  inBatchTransaction(orm, async (tx) => {
    const known = new Set((await tx.rows(...byKey('call_name, idempotency_key', openings))).map(keyOfRow));
    const fresh = new Map<string, Opening>();
    for (const opening of openings) {
      const key = keyOf(opening.request.callName, opening.request.idempotencyKey);
      if (!known.has(key) && !fresh.has(key)) fresh.set(key, opening);
    }
    // Locking rows in the same order everywhere keeps batches from deadlocking.
    const inOrder = [...fresh].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, opening]) => opening);
    const ids = inOrder.length > 0 ? await insertCalls(tx, inOrder) : new Map<string, number>();
    return openings.map(({ fence }) => {
      const callId = ids.get(fence);
      return callId === undefined ? undefined : { kind: 'opened', callId, attempt: 1, fence };
    });
  });

/** Inserts calls with their first attempts, and gives their ids by fence. */
async function insertCalls(tx: Transaction, openings: readonly Opening[]): Promise<Map<string, number>> {
  const row = `(?, ?, ?, 'PENDING', 1, ?, utc_timestamp(3) + interval ? microsecond, utc_timestamp(3), utc_timestamp(3))`;
  await tx.run(
    `insert into external_call (call_name, idempotency_key, correlation_id, status, attempts, lease_owner, lease_until, created_at, updated_at)
     values ${openings.map(() => row).join(', ')}`,
    openings.flatMap(({ request: { callName, idempotencyKey, correlationId }, fence, leaseMs }) => [
      callName,
      idempotencyKey,
      correlationId,
      fence,
      leaseMs * 1000,
    ]),
  );
  // Asked for, not counted up from the first: servers of a cluster do not number by one.
  const rows = await tx.rows(...byKey('id, lease_owner', openings));
  const ids = new Map(rows.map(({ id, lease_owner: fence }) => [String(fence), Number(id)]));
  await insertAttempts(
    tx,
    openings.map(({ fence, request }) => ({ callId: ids.get(fence)!, attempt: 1, request })),
  );
  return ids;
}

/** Rejects, nothing being changed, unless each of the attempts is open and under its fence. */
export const closeTogether = (orm: MikroORM, closings: readonly Closing[]): Promise<CloseResult[]> =>
  inBatchTransaction(orm, async (tx) => {
    await insertResponses(
      tx,
      closings.map(({ opened, snapshot, to }) => ({ opened, snapshot, status: to })),
    );
    const alike = Map.groupBy(closings, ({ snapshot, to, notBeforeMs, errorCode = snapshot.errorCode }) =>
      JSON.stringify([to, snapshot.httpStatus, errorCode, notBeforeMs]),
    );
    for (const group of alike.values()) {
      const moved = await moveRows(tx, group);
      if (moved < group.length) throw new Error(`${group.length - moved} of ${group.length} leases were lost`);
    }
    return closings.map(() => ({ kind: 'closed' }));
  });

/**
 * Moves rows that all become the same, and says how many were open under their fences. A fence is given to one row only, so
 * ids and fences need not be matched in pairs.
 */
export async function moveRows(tx: Transaction, closings: readonly Closing[]): Promise<number> {
  const [{ snapshot, to, notBeforeMs, errorCode = snapshot.errorCode }] = closings as [Closing];
  const marks = closings.map(() => '?').join(', ');
  const { affectedRows } = await tx.run(
    `update external_call set status = ?, http_status = ?, last_error_code = ?, lease_owner = null, lease_until = null,
       not_before = utc_timestamp(3) + interval ? microsecond, updated_at = utc_timestamp(3)
     where id in (${marks}) and lease_owner in (${marks}) and status = 'PENDING'`,
    [
      to,
      snapshot.httpStatus ?? null,
      errorCode ?? null,
      notBeforeMs === undefined ? null : notBeforeMs * 1000,
      ...closings.map(({ opened }) => opened.callId).sort((a, b) => a - b),
      ...closings.map(({ opened }) => opened.fence),
    ],
  );
  return affectedRows;
}

const keyOf = (callName: unknown, idempotencyKey: unknown): string => `${String(callName)} ${String(idempotencyKey)}`;

const keyOfRow = (row: Record<string, unknown>): string => keyOf(row['call_name'], row['idempotency_key']);

/** A look-up of calls by their keys, as both servers can do it by index; by a list of pairs they cannot. */
function byKey(columns: string, openings: readonly Opening[]): [sql: string, binds: Bind[]] {
  const byCall = Map.groupBy(openings, ({ request }) => request.callName);
  const each = [...byCall.values()].map((group) => `call_name = ? and idempotency_key in (${group.map(() => '?').join(', ')})`);
  const binds = [...byCall].flatMap(([callName, group]) => [callName, ...group.map(({ request }) => request.idempotencyKey)]);
  return [`select ${columns} from external_call where ${each.join(' or ')}`, binds];
}

const SHORT_WAIT = 'set session innodb_lock_wait_timeout = 1';
const USUAL_WAIT = 'set session innodb_lock_wait_timeout = default';

/** A batch that takes longer is given up, its connection with it. */
export const BATCH_TIMEOUT_MS = 5_000;

async function inBatchTransaction<T>(orm: MikroORM, work: (tx: Transaction) => Promise<T>): Promise<T> {
  if (sqliteFileOf(orm) !== undefined) {
    const sqlite = orm.em.getConnection('write');
    return sqlite.transactional((context) => work(statementsOn(sqlite, context)));
  }
  const connection = await (await businessPool(orm)).promise().getConnection();
  const tx = bindTo(connection);
  const late = (): Error => new Error(`the batch took longer than ${BATCH_TIMEOUT_MS} ms`);
  try {
    const result = await withDeadline(runBatch(tx, work), BATCH_TIMEOUT_MS, late);
    // What has committed has; nobody waits for the connection to be as it was.
    giveBack(connection, tx);
    return result;
  } catch (error) {
    // Whatever state it is in, nobody else may get it; for the server it is a rollback.
    if (error instanceof RolledBack) giveBack(connection, tx);
    else connection.destroy();
    throw error;
  }
}

class RolledBack extends Error {}

async function runBatch<T>(tx: Transaction, work: (tx: Transaction) => Promise<T>): Promise<T> {
  // Waits for nobody's row for long, or one transaction stuck elsewhere would hold up all of a batch.
  await tx.run(SHORT_WAIT, []);
  await tx.run('begin', []);
  try {
    const result = await work(tx);
    await tx.run('commit', []);
    return result;
  } catch (cause) {
    await tx.run('rollback', []);
    throw new RolledBack('a batch was rolled back', { cause });
  }
}

function giveBack(connection: PoolConnection, tx: Transaction): void {
  withDeadline(tx.run(USUAL_WAIT, []), BATCH_TIMEOUT_MS, () => new Error('no answer')).then(
    () => connection.release(),
    () => connection.destroy(),
  );
}

const bindTo = (connection: PoolConnection): Transaction => ({
  run: async (sql, binds) => (await connection.query<ResultSetHeader>(sql, binds.map(asText)))[0],
  rows: async (sql, binds) => (await connection.query<RowDataPacket[]>(sql, binds.map(asText)))[0],
});
