import { randomUUID } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/core';
import { IsolationLevel } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { ClaimedSaga, SagaInstance } from '../saga/saga-instance.ts';
import { SAGA_STATUSES, type SagaStatus } from '../saga/saga-status.ts';
import type {
  KnownSaga,
  RecordResult,
  SagaChange,
  SagaDecision,
  SagaStore,
  SagaSummary,
  SettleCall,
  UnknownDefinition,
} from '../saga/saga-store.ts';
import type { StepDirection } from '../saga/step-status.ts';
import { retryTransient } from './external-call-database-error.ts';
import { endCall, FROM_NOW, keepResult, moveInstance, writeStep } from './saga-changes.ts';
import { selectInstances, type Statements, statementsOf, summaryOf, withFence } from './saga-rows.ts';
import { utcDate } from './utc-date.ts';

/** Sagas on MySQL 8.4 and later, MariaDB 11 or a SQLite file of `openOrm`, in the database of the calls and of what local steps write. */
export const mysqlSagaStore = (orm: MikroORM): SagaStore => new MysqlSagaStore(orm);

/** Undoes a transaction whose instance has moved on. */
class Lost extends Error {}

class MysqlSagaStore implements SagaStore {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  async claim(known: readonly KnownSaga[], limit: number, leaseMs: number): Promise<readonly ClaimedSaga[]> {
    const fence = randomUUID();
    const definitions = known.map(() => '(?, ?, ?)').join(', ');
    return this.#inTransaction(async (db) => {
      const due = await db.rows(
        `select id from saga_instance where next_run_at <= utc_timestamp(3) and (saga, version, fingerprint) in (${definitions})
         order by next_run_at limit ${limit} for update skip locked`,
        known.flatMap(({ name, version, fingerprint }) => [name, version, fingerprint]),
      );
      if (due.length === 0) return [];
      const ids = due.map(({ id }) => String(id));
      await db.run(`update saga_instance set lease_owner = ?, next_run_at = ${FROM_NOW} where id in (${ids.map(() => '?').join(', ')})`, [
        fence,
        leaseMs * 1_000,
        ...ids,
      ]);
      const claimed = await selectInstances(db, `lease_owner = ? and id in (${ids.map(() => '?').join(', ')})`, [fence, ...ids]);
      return claimed.map((instance) => withFence(instance, fence));
    });
  }

  async begin(
    { id, fence, revision }: ClaimedSaga,
    { step, name, direction }: { step: number; name: string; direction: StepDirection },
    leaseMs: number,
  ): Promise<number | undefined> {
    return this.#inTransaction(async (db) => {
      const held = await db.run(
        `update saga_instance set next_run_at = ${FROM_NOW}, updated_at = utc_timestamp(3) where id = ? and lease_owner = ? and revision = ?`,
        [leaseMs * 1_000, id, fence, revision],
      );
      if (held === 0) return undefined;
      await db.run(
        `insert into saga_step (saga_id, step, direction, name, status, attempts, started_at, updated_at)
         values (?, ?, ?, ?, 'RUNNING', 1, utc_timestamp(3), utc_timestamp(3))
         on duplicate key update attempts = attempts + 1, status = if(status = 'UNKNOWN', 'UNKNOWN', 'RUNNING'), updated_at = utc_timestamp(3)`,
        [id, step, direction, name],
      );
      const [row] = await db.rows('select attempts from saga_step where saga_id = ? and step = ? and direction = ?', [id, step, direction]);
      return Number(row?.['attempts']);
    });
  }

  async record(claimed: ClaimedSaga, change: SagaChange, em?: EntityManager): Promise<RecordResult> {
    if (em !== undefined) {
      const db = statementsOf(em);
      if (await moveInstance(db, claimed, claimed.fence, change)) {
        await writeStep(db, claimed.id, change);
        return 'recorded';
      }
      await keepResult(db, claimed.id, change);
      return 'lost';
    }
    return this.#unlessLost(() => this.#inTransaction((db) => apply(db, claimed, change)));
  }

  async recordWith(claimed: ClaimedSaga, work: (em: EntityManager) => Promise<SagaChange>): Promise<RecordResult> {
    return this.#unlessLost(() =>
      retryTransient(() =>
        this.#orm.em.fork().transactional(async (em) => {
          const db = statementsOf(em);
          const [row] = await db.rows('select id from saga_instance where id = ? and lease_owner = ? and revision = ? for update', [
            claimed.id,
            claimed.fence,
            claimed.revision,
          ]);
          if (row === undefined) throw new Lost();
          const change = await work(em);
          await em.flush();
          return apply(db, claimed, change);
        }),
      ),
    );
  }

  async release({ id, fence }: ClaimedSaga): Promise<void> {
    await this.#db().run('update saga_instance set lease_owner = null, next_run_at = utc_timestamp(3) where id = ? and lease_owner = ?', [
      id,
      fence,
    ]);
  }

  async reload({ id, fence }: ClaimedSaga): Promise<ClaimedSaga | undefined> {
    const [instance] = await selectInstances(this.#db(), 'id = ? and lease_owner = ?', [id, fence]);
    return instance && withFence(instance, fence);
  }

  async unknownDefinitions(known: readonly KnownSaga[]): Promise<readonly UnknownDefinition[]> {
    const rows = await this.#db().rows(
      `select saga, version, fingerprint, count(*) as instances from saga_instance
       where next_run_at <= utc_timestamp(3) and (saga, version, fingerprint) not in (${known.map(() => '(?, ?, ?)').join(', ')})
       group by saga, version, fingerprint`,
      known.flatMap(({ name, version, fingerprint }) => [name, version, fingerprint]),
    );
    return rows.map((row) => ({
      name: String(row['saga']),
      version: Number(row['version']),
      fingerprint: String(row['fingerprint']),
      instances: Number(row['instances']),
    }));
  }

  async decide(
    id: string,
    decision: SagaDecision,
    decide: (instance: SagaInstance) => SagaChange & { readonly settleCall?: SettleCall | undefined },
  ): Promise<SagaInstance | undefined> {
    return this.#inTransaction(async (db) => {
      const [instance] = await selectInstances(db, 'id = ? for update', [id]);
      if (instance === undefined) return undefined;
      const change = decide(instance);
      if (change.settleCall) await endCall(db, change.settleCall, instance.correlationId, ['PENDING', 'UNKNOWN']);
      await moveInstance(db, instance, null, change);
      await writeStep(db, id, change);
      await db.run(
        `insert into saga_decision (saga_id, kind, decided_by, why, step, direction, decided_at) values (?, ?, ?, ?, ?, ?, utc_timestamp(3))`,
        [id, decision.kind, decision.by, decision.why, instance.step, instance.direction],
      );
      return instance;
    });
  }

  async find(id: string): ReturnType<SagaStore['find']> {
    const db = this.#db();
    const [instance] = await selectInstances(db, 'id = ?', [id]);
    if (instance === undefined) return undefined;
    const decisions = await db.rows('select kind, decided_by, why, decided_at from saga_decision where saga_id = ? order by id', [id]);
    return {
      ...instance,
      decisions: decisions.map((row) => ({
        kind: row['kind'] as SagaDecision['kind'],
        by: String(row['decided_by']),
        why: String(row['why']),
        at: utcDate(row['decided_at']),
      })),
    };
  }

  async countByStatus(): Promise<Readonly<Record<SagaStatus, number>>> {
    const rows = await this.#db().rows('select status, count(*) as n from saga_instance group by status');
    const counts = Object.fromEntries(SAGA_STATUSES.map((status) => [status, 0])) as Record<SagaStatus, number>;
    for (const row of rows) counts[row['status'] as SagaStatus] = Number(row['n']);
    return counts;
  }

  async list(status: SagaStatus, limit = 100): Promise<readonly SagaSummary[]> {
    const rows = await this.#db().rows(
      `select i.id, i.saga, i.version, i.status, i.direction, i.error, i.correlation_id, i.created_at, i.updated_at, s.name as step_name
       from saga_instance i left join saga_step s on s.saga_id = i.id and s.step = i.step and s.direction = i.direction
       where i.status = ? order by i.updated_at limit ?`,
      [status, limit],
    );
    return rows.map(summaryOf);
  }

  #db(): Statements {
    return statementsOf(this.#orm.em.fork());
  }

  /** Read committed: the search for due instances shall not lock the gaps new ones go into. */
  #inTransaction<T>(work: (db: Statements) => Promise<T>): Promise<T> {
    return retryTransient(() =>
      this.#orm.em.fork().transactional((em) => work(statementsOf(em)), { isolationLevel: IsolationLevel.READ_COMMITTED }),
    );
  }

  async #unlessLost(work: () => Promise<RecordResult>): Promise<RecordResult> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Lost) return 'lost';
      throw error;
    }
  }
}

/** The call first, as whoever records the end of a call locks it first. */
async function apply(db: Statements, claimed: ClaimedSaga, change: SagaChange): Promise<RecordResult> {
  if (change.giveUp && !(await endCall(db, { ...change.giveUp, to: 'FAIL' }, claimed.correlationId, ['PENDING']))) return 'in-progress';
  if (!(await moveInstance(db, claimed, claimed.fence, change))) throw new Lost();
  await writeStep(db, claimed.id, change);
  return 'recorded';
}
