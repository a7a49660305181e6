import type { MikroORM } from '@mikro-orm/mysql';
import { type RunStatus, statusesBefore } from '../reconciliation/run-status.ts';
import type { Break, HeldRun, ReconciliationRunStore, RunItem, RunKind, RunSummary, WantedRun } from '../reconciliation/run-store.ts';
import { OPEN_VERDICTS, type Verdict } from '../reconciliation/verdict.ts';
import { retryTransient } from './external-call-database-error.ts';
import { type NamedLocks, openNamedLocks } from './mysql-named-locks.ts';
import { statementsOn, type Transaction } from './statements.ts';
import { utcDate } from './utc-date.ts';

const NOW = 'utc_timestamp(3)';
const OPEN = OPEN_VERDICTS.map((verdict) => `'${verdict}'`).join(', ');
const MAX_WHY = 500;
/** Beyond that, the world a run had begun in is another. */
const TAKEN_UP_WITHIN = 'interval 1 day';
/** Beginning a run takes milliseconds. */
const BEGIN_WAIT_SECONDS = 30;
const PURGED_AT_ONCE = 5_000;

/** The store on MySQL 8.4 and later or MariaDB 11. A run that is held keeps one connection of the pool. */
export const mysqlReconciliationRunStore = (orm: MikroORM): ReconciliationRunStore => new MysqlReconciliationRunStore(orm);

class MysqlReconciliationRunStore implements ReconciliationRunStore {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  async take(wanted: WantedRun): Promise<HeldRun | undefined> {
    const { kind, name, tick } = wanted;
    const locks = await openNamedLocks(this.#orm);
    try {
      // One at a time of a source; and one at a time of what a schedule begins.
      const alone = kind === 'delivery' ? `delivery/${name}` : tick === undefined ? undefined : 'schedule/open';
      const begin = `begin/${kind}/${name}`;
      if (alone !== undefined && !(await locks.lock(alone))) return await released(locks);
      if (!(await locks.lock(begin, BEGIN_WAIT_SECONDS)))
        throw new Error(`reconciliation: somebody has been beginning a run for ${BEGIN_WAIT_SECONDS} s`);
      const scope = scopeOf(wanted);
      const found = (await this.#takeUp(kind, name, scope, tick, locks)) ?? (await this.#begin(wanted, scope, locks));
      if (found === undefined) return await released(locks);
      await locks.unlock(begin);
      const [row] = await this.#statements.rows('select position, started_at, since_at from reconciliation_run where id = ?', [found.id]);
      return {
        ...found,
        kind,
        name,
        cursor: (row!['position'] as string | null) ?? undefined,
        startedAt: utcDate(row!['started_at']),
        since: row!['since_at'] === null ? undefined : utcDate(row!['since_at']),
        release: () => locks.release(),
      };
    } catch (error) {
      await locks.release();
      throw error;
    }
  }

  /** The oldest run of this scope that no living process has. */
  async #takeUp(kind: RunKind, name: string, scope: string, tick: string | undefined, locks: NamedLocks) {
    const rows = await this.#statements.rows(
      `select id, updated_at <= ${NOW} - ${TAKEN_UP_WITHIN} as is_old from reconciliation_run
       where status = 'RUNNING' and kind = ? and name = ? and scope = ? order by id limit 100`,
      [kind, name, scope],
    );
    for (const row of rows) {
      const id = Number(row['id']);
      if (!(await locks.lock(runLock(id)))) continue;
      // Its holder may have finished it just now.
      if (Number(row['is_old']) === 1) await this.#end(id, 'ABANDONED');
      else if ((await this.#touch(id, tick)) > 0) return { id, isResumed: true };
      await locks.unlock(runLock(id));
    }
    return undefined;
  }

  async #touch(id: number, tick: string | undefined): Promise<number> {
    const { affectedRows } = await this.#statements.run(
      `update reconciliation_run set updated_at = ${NOW}, tick = coalesce(?, tick) where id = ? and status = 'RUNNING'`,
      [tick ?? null, id],
    );
    return affectedRows;
  }

  async #begin({ kind, name, since, tick }: WantedRun, scope: string, locks: NamedLocks) {
    if (tick !== undefined) {
      const same = await this.#statements.rows('select id from reconciliation_run where kind = ? and name = ? and tick = ? limit 1', [
        kind,
        name,
        tick,
      ]);
      if (same.length > 0) return undefined;
    }
    const isAgo = since !== undefined && 'agoMs' in since;
    const { insertId } = await this.#statements.run(
      `insert into reconciliation_run (kind, name, scope, tick, status, since_at, started_at, updated_at)
       values (?, ?, ?, ?, 'RUNNING', ${isAgo ? `${NOW} - interval ? microsecond` : '?'}, ${NOW}, ${NOW})`,
      [kind, name, scope, tick ?? null, since === undefined ? null : isAgo ? since.agoMs * 1000 : since.at],
    );
    await locks.lock(runLock(insertId));
    return { id: insertId, isResumed: false };
  }

  async undecided(
    run: HeldRun,
    { verdict, after, limit }: Parameters<ReconciliationRunStore['undecided']>[1],
  ): Promise<readonly RunItem[]> {
    const rows = await this.#statements.rows(
      `select id, call_name, idempotency_key from reconciliation_item
       where run_id = ? and verdict ${verdict === undefined ? 'is null' : '= ?'} and id > ? order by id limit ${Math.floor(limit)}`,
      [run.id, ...(verdict === undefined ? [] : [verdict]), after],
    );
    return rows.map(itemOf);
  }

  async decide({ id }: RunItem, verdict: Verdict, why?: string): Promise<void> {
    await retryTransient(() =>
      this.#statements.run(
        `update reconciliation_item set verdict = ?, why = ?, updated_at = ${NOW} where id = ? and (verdict is null or verdict = 'BUSY')`,
        [verdict, why?.slice(0, MAX_WHY) ?? null, id],
      ),
    );
  }

  async finish(run: HeldRun): Promise<void> {
    const totals = await this.#totals(run.id);
    await this.#end(run.id, 'DONE', totals);
  }

  async #end(id: number, to: RunStatus, totals?: RunSummary['totals']): Promise<void> {
    const before = statusesBefore(to).map((status) => `'${status}'`);
    await this.#statements.run(
      `update reconciliation_run set status = ?, totals = ?, finished_at = ${NOW}, updated_at = ${NOW} where id = ? and status in (${before.join(', ')})`,
      [to, totals === undefined ? null : JSON.stringify(totals), id],
    );
  }

  async summary(runId: number): Promise<RunSummary> {
    const [row] = await this.#statements.rows('select * from reconciliation_run where id = ?', [runId]);
    if (row === undefined) throw new RangeError(`there is no reconciliation run ${runId}`);
    const totals = row['totals'] === null ? await this.#totals(runId) : (JSON.parse(row['totals'] as string) as RunSummary['totals']);
    return {
      id: runId,
      kind: row['kind'] as RunKind,
      name: row['name'] as string,
      status: row['status'] as RunStatus,
      startedAt: utcDate(row['started_at']),
      finishedAt: row['finished_at'] === null ? undefined : utcDate(row['finished_at']),
      looked: Number(row['looked']),
      totals,
    };
  }

  async #totals(runId: number): Promise<RunSummary['totals']> {
    const rows = await this.#statements.rows(
      'select verdict, count(*) as n from reconciliation_item where run_id = ? and verdict is not null group by verdict',
      [runId],
    );
    return Object.fromEntries(rows.map((row) => [row['verdict'], Number(row['n'])]));
  }

  async breaks(runId: number, { after, limit }: { readonly after: number; readonly limit: number }): Promise<readonly Break[]> {
    const rows = await this.#statements.rows(
      `select id, call_name, idempotency_key, verdict, why from reconciliation_item
       where run_id = ? and id > ? and verdict in (${OPEN}) order by id limit ${Math.floor(limit)}`,
      [runId, after],
    );
    return rows.map((row) => ({ ...itemOf(row), verdict: row['verdict'] as Verdict, why: (row['why'] as string | null) ?? undefined }));
  }

  async purge(olderThanMs: number): Promise<void> {
    const old = await this.#statements.rows(
      `select distinct r.id from reconciliation_run r join reconciliation_item i on i.run_id = r.id
       where r.status <> 'RUNNING' and r.finished_at <= ${NOW} - interval ? microsecond limit 20`,
      [olderThanMs * 1000],
    );
    for (const { id } of old) {
      await retryTransient(() =>
        this.#statements.run(
          `delete from reconciliation_item where id in (select id from (select id from reconciliation_item where run_id = ? limit ${PURGED_AT_ONCE}) as few)`,
          [Number(id)],
        ),
      );
    }
  }

  get #statements(): Transaction {
    return statementsOn(this.#orm.em.getConnection('write'));
  }
}

const runLock = (id: number): string => `run/${id}`;

/** As it was asked for: "two hours" is the same scope today and tomorrow. */
const scopeOf = ({ since }: WantedRun): string =>
  JSON.stringify(since === undefined ? {} : 'agoMs' in since ? { agoMs: since.agoMs } : { at: since.at.toISOString() });

const released = async (locks: NamedLocks): Promise<undefined> => {
  await locks.release();
  return undefined;
};

const itemOf = (row: Record<string, unknown>): RunItem => ({
  id: Number(row['id']),
  callName: row['call_name'] as string,
  idempotencyKey: row['idempotency_key'] as string,
});
