import { IsolationLevel } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { CallStatus } from '../gateway/call-status.ts';
import type { CallStanding, OpenCallStore, ScanCursor, ScanOptions } from '../reconciliation/open-call-store.ts';
import type { HeldRun, RunItem } from '../reconciliation/run-store.ts';
import type { StatusCheckState } from '../status-check/status-check-state.ts';
import { retryTransient } from './external-call-database-error.ts';
import { COUNT_OPEN, nextStage, pageOf, type ScanPosition } from './mysql-open-call-scan.ts';
import { sagaKeysAmong } from './mysql-open-call-saga.ts';
import { statementsOn, type Transaction } from './statements.ts';
import { utcDate } from './utc-date.ts';

const NOW = 'utc_timestamp(3)';
/** As the gateway's own store says it of a row whose worker died. */
const ABANDONED = 'CB_UNKNOWN_OUTCOME';

/** The store on MySQL 8.4 and later or MariaDB 11. */
export const mysqlOpenCallStore = (orm: MikroORM): OpenCallStore => new MysqlOpenCallStore(orm);

class MysqlOpenCallStore implements OpenCallStore {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  async count(since: Date | undefined): Promise<number> {
    const [row] = await this.#statements.rows(`${COUNT_OPEN}${since === undefined ? '' : ' and c.created_at >= ?'}`, since ? [since] : []);
    return Number(row?.['n']);
  }

  async claim(run: HeldRun, cursor: ScanCursor, { limit, idleAfterMs }: ScanOptions): Promise<ScanCursor> {
    const position = await this.#positionOf(cursor);
    const options = { since: run.since, limit, idleAfterMs, runId: run.id };
    const connection = this.#orm.em.getConnection('write');
    const work = async (tx: Transaction): Promise<ScanPosition | undefined> => {
      const { sql, binds } = pageOf(position, options);
      // What was locked is waited for in the end, one row after the other and none but those.
      const isLast = position.stage === 'again';
      const found = await tx.rows(isLast ? sql : `${sql} for update skip locked`, binds);
      const ids = found.map(({ id }) => Number(id));
      const next = found.length < limit ? nextStage(position) : after(position, found.at(-1)!);
      if (isLast && ids.length > 0)
        await tx.rows(`select id from external_call where id in (${ids.join(', ')}) order by id for update`, []);
      const taken = ids.length === 0 ? 0 : await takeIn(tx, run.id, ids);
      await tx.run(`update reconciliation_run set position = ?, looked = looked + ?, updated_at = ${NOW} where id = ?`, [
        // The last position of all stays, so that a run taken up there finds that nothing is left.
        JSON.stringify(next ?? position),
        taken,
        run.id,
      ]);
      return next;
    };
    // Without gap locks: claiming holds up nobody who opens a call.
    const next = await retryTransient(() =>
      connection.transactional((context) => work(statementsOn(connection, context)), { isolationLevel: IsolationLevel.READ_COMMITTED }),
    );
    return next && JSON.stringify(next);
  }

  async look(items: readonly RunItem[]): Promise<ReadonlyMap<number, CallStanding>> {
    if (items.length === 0) return new Map();
    const rows = await this.#statements.rows(
      `select i.id as item_id, ${COLUMNS}, timestampdiff(microsecond, i.open_since, ${NOW}) / 1000 as open_for_ms
       from reconciliation_item i join external_call c on c.call_name = i.call_name and c.idempotency_key = i.idempotency_key ${JOIN_CHECK}
       where i.id in (${items.map(({ id }) => Math.floor(id)).join(', ')})`,
      [],
    );
    const standings = await this.#standingsOf(rows);
    return new Map(rows.map((row, nth) => [Number(row['item_id']), standings[nth]!]));
  }

  async scan(since: Date | undefined, cursor: ScanCursor, { limit, idleAfterMs }: ScanOptions) {
    const position = await this.#positionOf(cursor);
    const { sql, binds } = pageOf(position, { since, limit, idleAfterMs });
    const found = await this.#statements.rows(sql, binds);
    const next = found.length < limit ? nextStage(position, 'idle') : after(position, found.at(-1)!);
    const ids = found.map(({ id }) => Number(id));
    const rows =
      ids.length === 0
        ? []
        : await this.#statements.rows(
            `select ${COLUMNS}, coalesce(timestampdiff(microsecond, c.lease_until, ${NOW}), timestampdiff(microsecond, c.updated_at, ${NOW})) / 1000 as open_for_ms
             from external_call c ${JOIN_CHECK} where c.id in (${ids.join(', ')}) order by c.id`,
            [],
          );
    return { standings: await this.#standingsOf(rows), next: next && JSON.stringify(next) };
  }

  async #positionOf(cursor: ScanCursor): Promise<ScanPosition> {
    if (cursor !== undefined) return JSON.parse(cursor) as ScanPosition;
    const [row] = await this.#statements.rows('select coalesce(max(id), 0) as until_id from external_call', []);
    return { stage: 'abandoned', untilId: Number(row?.['until_id']), id: 0 };
  }

  async #standingsOf(rows: readonly Record<string, unknown>[]): Promise<CallStanding[]> {
    const ofSagas = await sagaKeysAmong(
      this.#statements,
      rows.map((row) => row['idempotency_key'] as string),
    );
    return rows.map((row) => standingOf(row, ofSagas));
  }

  get #statements(): Transaction {
    return statementsOn(this.#orm.em.getConnection('write'));
  }
}

const after = ({ stage, untilId }: ScanPosition, row: Record<string, unknown>): ScanPosition => ({
  stage,
  untilId,
  id: Number(row['id']),
  ...(stage === 'abandoned' && { leaseUntil: utcDate(row['lease_until']).toISOString() }),
});

/** Items for locked rows; those past their lease become UNKNOWN, as when their key is opened again. */
const takeIn = async (tx: Transaction, runId: number, ids: readonly number[]): Promise<number> => {
  const among = `id in (${ids.join(', ')})`;
  const abandoned = await tx.rows(
    `select id, idempotency_key from external_call where ${among} and status = 'PENDING' and lease_until <= ${NOW}`,
    [],
  );
  const { affectedRows } = await tx.run(
    `insert ignore into reconciliation_item (run_id, call_name, idempotency_key, open_since, updated_at)
     select ?, call_name, idempotency_key, coalesce(lease_until, updated_at), ${NOW} from external_call where ${among} order by id`,
    [runId],
  );
  const ofSagas = await sagaKeysAmong(
    tx,
    abandoned.map((row) => row['idempotency_key'] as string),
  );
  const ours = abandoned.filter((row) => !ofSagas.has(row['idempotency_key'] as string)).map(({ id }) => Number(id));
  if (ours.length > 0) {
    await tx.run(
      `update external_call set status = 'UNKNOWN', last_error_code = ?, lease_owner = null, lease_until = null, updated_at = ${NOW}
       where id in (${ours.join(', ')})`,
      [ABANDONED],
    );
  }
  return affectedRows;
};

const COLUMNS = `c.call_name, c.idempotency_key, c.correlation_id, c.status,
  case when c.status = 'PENDING' then timestampdiff(microsecond, ${NOW}, c.lease_until) / 1000 end as attempt_lease_ms,
  s.listener, s.state, s.next_check_at <= ${NOW} as is_due, timestampdiff(microsecond, ${NOW}, s.lease_until) / 1000 as check_lease_ms`;
const JOIN_CHECK = 'left join status_check s on s.call_name = c.call_name and s.idempotency_key = c.idempotency_key';

const standingOf = (row: Record<string, unknown>, ofSagas: ReadonlySet<string>): CallStanding => {
  const leftMs = (name: string): number => Math.max(0, Math.ceil(Number(row[name] ?? 0)));
  return {
    callName: row['call_name'] as string,
    idempotencyKey: row['idempotency_key'] as string,
    correlationId: row['correlation_id'] as string,
    status: row['status'] as CallStatus,
    attemptLeaseMs: leftMs('attempt_lease_ms'),
    isAbandoned: row['attempt_lease_ms'] !== null && leftMs('attempt_lease_ms') === 0,
    openForMs: leftMs('open_for_ms'),
    isOfSaga: ofSagas.has(row['idempotency_key'] as string),
    check:
      row['state'] === null
        ? undefined
        : {
            listener: row['listener'] as string,
            state: row['state'] as StatusCheckState,
            isDue: Number(row['is_due']) === 1,
            leaseMs: leftMs('check_lease_ms'),
          },
  };
};
