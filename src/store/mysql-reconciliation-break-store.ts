import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import type { BreakAction, FoundBreak, StatementBreak } from '../reconciliation/statement/break.ts';
import { type BreakKind, canMoveBreak, type DecidedThrough, isReopened } from '../reconciliation/statement/break-state.ts';
import type {
  BreakDecision,
  BreakFilter,
  DecideBreakResult,
  StatementRun,
  StatementStore,
} from '../reconciliation/statement/statement-store.ts';
import { retryTransient } from './external-call-database-error.ts';
import { BREAK_COLUMNS, breakOf, conditionOf, FIGURES, figuresOf, isSameFinding, marks } from './mysql-settlement-break-rows.ts';
import { mysqlSettlementRuns } from './mysql-settlement-runs.ts';
import { type Bind, statementsOn, type Transaction } from './statements.ts';
import { utcDate } from './utc-date.ts';

/** Statement runs and breaks on MySQL 8.4 and later or MariaDB 11. The ORM need not know the entities of these tables. */
export const mysqlStatementStore = (orm: MikroORM): StatementStore => {
  const breaks = new MysqlReconciliationBreakStore(orm);
  const runs = mysqlSettlementRuns(orm);
  return {
    ...runs,
    record: (run, found) => breaks.record(run, found),
    missingOnOtherDays: (run, references) => breaks.missingOnOtherDays(run, references),
    resolveOnOtherDays: (run, ids, why) => breaks.resolveOnOtherDays(run, ids, why),
    toSettle: (run, page) => breaks.toSettle(run, page),
    resolveWithin: (em, run, id, decision) => breaks.resolveWithin(em, run, id, decision),
    resolveGone: (run, kinds, limit) => breaks.resolveGone(run, kinds, limit),
    list: (filter, page) => breaks.list(filter, page),
    history: (id) => breaks.history(id),
    decide: (id, to, decision) => breaks.decide(id, to, decision),
  };
};

const NOW = 'utc_timestamp(3)';
const MAX_WHY = 500;
const actorOf = (by: string): string => by.slice(0, 128);
const keyOf = ({ reference, kind, occurrence }: Pick<FoundBreak, 'reference' | 'kind' | 'occurrence'>): string =>
  `${kind} ${occurrence} ${reference}`;

class MysqlReconciliationBreakStore {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  async record(run: StatementRun, found: readonly FoundBreak[]): Promise<void> {
    if (found.length === 0) return;
    await this.#inTransaction(async (tx) => {
      const references = [...new Set(found.map(({ reference }) => reference))];
      const known = await tx.rows(
        `select ${BREAK_COLUMNS} from reconciliation_break where statement = ? and day = ? and reference in (${marks(references)}) for update`,
        [run.statement, run.day, ...references],
      );
      const byKey = new Map(known.map(breakOf).map((one) => [keyOf(one), one]));
      const fresh = found.filter((one) => !byKey.has(keyOf(one)));
      const again = found.flatMap((now) => {
        const before = byKey.get(keyOf(now));
        return before === undefined ? [] : [{ before, now }];
      });
      await insert(tx, run, fresh);
      await findAgain(tx, run, again);
    });
  }

  async missingOnOtherDays(
    { statement, day }: Pick<StatementRun, 'statement' | 'day'>,
    references: readonly string[],
  ): Promise<readonly StatementBreak[]> {
    if (references.length === 0) return [];
    const rows = await this.#outside().rows(
      `select ${BREAK_COLUMNS} from reconciliation_break
       where statement = ? and reference in (${marks(references)}) and day <> ? and kind in ('MISSING_THERE', 'MISSING_HERE') order by id`,
      [statement, ...references, day],
    );
    return rows.map(breakOf);
  }

  async resolveOnOtherDays(run: StatementRun, ids: readonly number[], why: string): Promise<void> {
    if (ids.length === 0) return;
    await this.#inTransaction((tx) => close(tx, ids, { run, through: 'statement', why, by: `statement ${run.statement}` }));
  }

  async toSettle(run: StatementRun, { after, limit }: { after: number; limit: number }): Promise<readonly StatementBreak[]> {
    const rows = await this.#outside().rows(
      `select ${BREAK_COLUMNS} from reconciliation_break b
       where last_run = ? and last_pass = ? and id > ? and kind = 'STATUS_DIFFERS' and state = 'OPEN' and our_status = 'UNKNOWN'
         and their_status in ('SUCCESS', 'FAIL') and not exists (
           select 1 from reconciliation_break a where a.statement = b.statement and a.day = b.day and a.reference = b.reference
             and a.kind = 'AMOUNT_DIFFERS' and a.state = 'OPEN')
       order by id limit ?`,
      [run.id, run.pass, after, limit],
    );
    return rows.map(breakOf);
  }

  async resolveWithin(em: EntityManager, run: StatementRun, id: number, { by, why }: BreakDecision): Promise<void> {
    const tx = statementsOn((em as MikroORM['em']).getConnection(), em.getTransactionContext());
    await close(tx, [id], { run, through: 'policy', by, why });
  }

  resolveGone(run: StatementRun, kinds: readonly BreakKind[], limit: number): Promise<number> {
    return this.#inTransaction(async (tx) => {
      const rows = await tx.rows(
        `select id from reconciliation_break where statement = ? and day = ? and state = 'OPEN' and kind in (${marks(kinds)})
           and (last_run <> ? or last_pass <> ?) order by id limit ? for update`,
        [run.statement, run.day, ...kinds, run.id, run.pass, limit],
      );
      const ids = rows.map(({ id }) => Number(id));
      await close(tx, ids, { run, through: 'policy', by: `statement ${run.statement}`, why: 'it was not found again' });
      return ids.length;
    });
  }

  async list(filter: BreakFilter, { after, limit }: { after: number; limit: number }): Promise<readonly StatementBreak[]> {
    const { where, binds } = conditionOf(filter);
    const rows = await this.#outside().rows(`select ${BREAK_COLUMNS} from reconciliation_break where id > ?${where} order by id limit ?`, [
      after,
      ...binds,
      limit,
    ]);
    return rows.map(breakOf);
  }

  async history(id: number): Promise<readonly BreakAction[]> {
    const rows = await this.#outside().rows(
      'select action, actor, at, why from reconciliation_break_action where break_id = ? order by id',
      [id],
    );
    return rows.map((row) => ({
      action: row['action'] as BreakAction['action'],
      by: String(row['actor']),
      at: utcDate(row['at']),
      why: String(row['why']),
    }));
  }

  decide(id: number, to: 'RESOLVED' | 'ACCEPTED', { by, why }: BreakDecision): Promise<DecideBreakResult> {
    return this.#inTransaction(async (tx): Promise<DecideBreakResult> => {
      const read = async (lock: string) => tx.rows(`select ${BREAK_COLUMNS} from reconciliation_break where id = ?${lock}`, [id]);
      const [row] = await read(' for update');
      if (row === undefined) return { kind: 'missing' };
      const { state } = breakOf(row).standing;
      if (!canMoveBreak(state, to)) return { kind: 'refused', state };
      await close(tx, [id], { through: 'person', by, why, to });
      return { kind: 'decided', found: breakOf((await read(''))[0]!) };
    });
  }

  #outside(): Transaction {
    return statementsOn(this.#orm.em.getConnection('write'));
  }

  #inTransaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const connection = this.#orm.em.getConnection('write');
    return retryTransient(() => connection.transactional((context) => work(statementsOn(connection, context))));
  }
}

const foundBy = (run: StatementRun): { by: string; why: string } => ({
  by: `statement ${run.statement}`,
  why: `found by run ${run.id} in ${run.source}`.slice(0, MAX_WHY),
});

async function insert(tx: Transaction, run: StatementRun, fresh: readonly FoundBreak[]): Promise<void> {
  if (fresh.length === 0) return;
  const columns = ['statement', 'call_name', 'day', 'reference', 'kind', 'occurrence', 'is_late', ...FIGURES, 'last_run', 'last_pass'];
  const values = fresh.flatMap((one): Bind[] => [
    run.statement,
    run.callName,
    run.day,
    one.reference,
    one.kind,
    one.occurrence,
    one.isLate,
    ...figuresOf(one),
    run.id,
    run.pass,
  ]);
  await tx.run(
    `insert into reconciliation_break (${columns.join(', ')}, found_at) values ${fresh.map(() => `(${marks(columns)}, ${NOW})`).join(', ')}`,
    values,
  );
  const references = [...new Set(fresh.map(({ reference }) => reference))];
  const { by, why } = foundBy(run);
  await tx.run(
    `insert into reconciliation_break_action (break_id, action, actor, at, why)
     select b.id, 'FOUND', ?, ${NOW}, ? from reconciliation_break b
     where b.statement = ? and b.day = ? and b.reference in (${marks(references)}) and b.last_run = ?
       and not exists (select 1 from reconciliation_break_action a where a.break_id = b.id)
     order by b.id`,
    [actorOf(by), why, run.statement, run.day, ...references, run.id],
  );
}

interface FoundAgain {
  readonly before: StatementBreak;
  readonly now: FoundBreak;
}

async function findAgain(tx: Transaction, run: StatementRun, again: readonly FoundAgain[]): Promise<void> {
  const same = again.filter(({ before, now }) => isSameFinding(before, now) && before.theirs?.line === now.theirs?.line);
  for (const { before, now } of again) {
    if (same.some((one) => one.before === before)) continue;
    await tx.run(`update reconciliation_break set ${FIGURES.map((name) => `${name} = ?`).join(', ')} where id = ?`, [
      ...figuresOf(now),
      before.id,
    ]);
  }
  if (again.length > 0)
    await tx.run(`update reconciliation_break set last_run = ?, last_pass = ? where id in (${marks(again)})`, [
      run.id,
      run.pass,
      ...again.map(({ before }) => before.id),
    ]);
  const opened = again.filter(({ before, now }) => {
    const { standing } = before;
    const through = standing.state === 'OPEN' ? undefined : standing.through;
    return isReopened({ state: standing.state, through }, { isSame: isSameFinding(before, now) });
  });
  if (opened.length === 0) return;
  const ids = opened.map(({ before }) => before.id);
  await tx.run(
    `update reconciliation_break set state = 'OPEN', is_late = false, decided_through = null, decided_by = null, decided_at = null,
       decision_reason = null, resolved_run = null where id in (${marks(ids)})`,
    ids,
  );
  await note(tx, ids, 'REOPENED', foundBy(run));
}

interface Closing extends BreakDecision {
  readonly through: DecidedThrough;
  readonly run?: StatementRun;
  /** Default RESOLVED. */
  readonly to?: 'RESOLVED' | 'ACCEPTED';
}

/** Ends what is OPEN among these, and leaves the rest alone. */
async function close(tx: Transaction, ids: readonly number[], { through, by, why, run, to = 'RESOLVED' }: Closing): Promise<void> {
  if (ids.length === 0) return;
  const rows = await tx.rows(`select id from reconciliation_break where id in (${marks(ids)}) and state = 'OPEN' for update`, ids);
  const open = rows.map(({ id }) => Number(id));
  if (open.length === 0) return;
  await tx.run(
    `update reconciliation_break set state = ?, is_late = false, decided_through = ?, decided_by = ?, decided_at = ${NOW}, decision_reason = ?,
       resolved_run = ? where id in (${marks(open)})`,
    [to, through, actorOf(by), why.slice(0, MAX_WHY), run?.id ?? null, ...open],
  );
  await note(tx, open, to, { by, why });
}

async function note(tx: Transaction, ids: readonly number[], action: BreakAction['action'], { by, why }: BreakDecision): Promise<void> {
  await tx.run(
    `insert into reconciliation_break_action (break_id, action, actor, at, why) values ${ids.map(() => `(?, ?, ?, ${NOW}, ?)`).join(', ')}`,
    ids.flatMap((id): Bind[] => [id, action, actorOf(by), why.slice(0, MAX_WHY)]),
  );
}
