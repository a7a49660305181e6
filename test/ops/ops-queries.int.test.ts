import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { databaseBackend } from '../../src/cli/ops/database-backend.ts';
import type { OpsBackend } from '../../src/cli/ops/ops-backend.ts';
import { VIEWS } from '../../src/cli/ops/routes.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { opsOverviewReader } from '../../src/store/mysql-ops-overview.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { type TestDatabase, createDatabase } from '../support/stack.ts';
import { fillTables } from './support/many-rows.ts';

const ROWS = 10_000;
/** A page and what belongs to it; a hundredth of what any of the tables would cost from end to end. */
const MOST_READ = 2_000;

describe('The queries of the ops page', () => {
  let home: TestDatabase;
  let orm: MikroORM;
  let backend: OpsBackend;

  beforeAll(async () => {
    home = await createDatabase('ops_queries');
    // One connection, because the counters of the database are a session's.
    orm = await openOrm({ url: home.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS, poolSize: 1 });
    await orm.migrator.up();
    await fillTables(orm, () => ROWS);
    const config = { owner: 'shop', endpoints: '127.0.0.1:1', databaseUrl: home.url, origins: {}, alertWebhook: undefined };
    backend = databaseBackend({ config, orm, logger: silentLogger, clock: systemClock });
  });
  afterAll(async () => {
    await orm?.close(true);
    await home?.drop();
  });
  afterEach(() => vi.restoreAllMocks());

  const rowsRead = async (): Promise<number> => {
    const rows = await orm.em
      .getConnection()
      .execute<{ Variable_name: string; Value: string }[]>(`show session status like 'Handler\\_read%'`);
    return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
  };

  /** What `work` reads, and the plan of each of its statements. */
  async function plansOf(work: () => Promise<unknown>): Promise<{ readonly read: number; readonly plans: readonly Plan[] }> {
    const connection = orm.em.getConnection();
    const asked: [string, unknown[]][] = [];
    const execute = connection.execute.bind(connection);
    vi.spyOn(connection, 'execute').mockImplementation((async (...args: Parameters<typeof execute>) => {
      asked.push([args[0] as string, (args[1] ?? []) as unknown[]]);
      return execute(...args);
    }) as never);
    const before = await rowsRead();
    asked.length = 0;
    await work();
    const statements = [...asked];
    const read = (await rowsRead()) - before;
    vi.restoreAllMocks();
    const plans: Plan[] = [];
    for (const [sql, binds] of statements)
      for (const row of await execute<PlanRow[]>(`explain ${sql}`, binds))
        plans.push({ sql, table: row.table, type: row.type, key: row.key });
    return { read, plans };
  }

  interface PlanRow {
    readonly table: string | null;
    readonly type: string | null;
    readonly key: string | null;
  }
  type Plan = PlanRow & { readonly sql: string };

  /** From end to end, through the table or an index of it; what a subquery gave is not the table. */
  const scans = (plans: readonly Plan[]): readonly Plan[] =>
    plans.filter(({ table, type }) => table !== null && !table.startsWith('<') && (type === 'ALL' || type === 'index'));

  const fields = (query: string): URLSearchParams => new URLSearchParams(query);
  const viewer = { visitor: { name: 'ada', isKnown: true, isProgram: false }, formToken: '', canSignOut: false };

  it.each([
    ['/find', 'q=order-77'],
    ['/find', 'q=key-77'],
    ['/find', 'q=nobody'],
    ['/find', 'call=call-2&status=SUCCESS'],
    ['/find', 'call=call-2&status=UNKNOWN&before=5000'],
    ['/story', 'id=order-77'],
    ['/attempt', 'call=78&n=1'],
    ['/unknown', 'state=REVIEW'],
    ['/unknown', `state=DUE&id=5&at=${Date.now() - 3_600_000}`],
    ['/unknown/call', 'call=call-2&key=key-77'],
    ['/dead-letters', 'state=OPEN'],
    ['/dead-letters', 'state=RESOLVED&after=5000'],
    ['/dead-letters', 'state=DISCARDED'],
    ['/dead-letters/letter', 'id=77&body=1'],
    ['/sagas', 'status=PARKED'],
    ['/sagas', `status=COMPLETED&id=saga-3&at=${Date.now() - 3_600_000}`],
    ['/sagas/saga', 'id=saga-77'],
    ['/reconciliation', ''],
    ['/reconciliation', 'before=5000&statement=5000'],
    ['/reconciliation/run', 'id=2&verdict=REVIEW&after=5000'],
    ['/breaks', 'state=OPEN'],
    ['/breaks', 'state=RESOLVED&after=5000'],
    ['/breaks', 'state=ACCEPTED'],
    ['/breaks/break', 'id=77'],
  ])('go through an index and read a bounded number of rows: %s?%s', async (path, query) => {
    const view = VIEWS.get(path)!;
    const { read, plans } = await plansOf(() => view({ fields: fields(query), backend, viewer, now: Date.now() }));
    expect(plans.length).toBeGreaterThan(0);
    expect(scans(plans)).toEqual([]);
    expect(read).toBeLessThan(MOST_READ);
  });

  it('count in the overview no further than they are told to, and see the whole hour after some reads', async () => {
    const countAtMost = 50;
    const read = opsOverviewReader(orm, { countAtMost, chartAtMost: 500 });
    const first = await plansOf(read);
    expect(scans(first.plans)).toEqual([]);
    // Rows of the index, once more as those of the subquery, and once more as those of its groups.
    expect(first.read).toBeLessThan(3 * 4 * 500 + 3 * 30 * countAtMost);
    const { calls, breaks, unknownByAge } = await read();
    expect(calls.SUCCESS).toEqual({ count: countAtMost, isMore: true });
    expect(breaks.ACCEPTED).toEqual({ count: 0, isMore: false });
    expect(unknownByAge.map(({ count }) => count.isMore)).toEqual([true, true, true, false]);
    let overview = await read();
    for (let nth = 0; nth < 60 && (overview.begun.isCut || overview.answered.isCut); nth += 1) overview = await read();
    for (const { minutes, isCut } of [overview.begun, overview.answered]) {
      expect(isCut).toBe(false);
      // A row or two in each second, but for what has left the hour since.
      expect(minutes.length).toBeGreaterThan(30);
      for (const { counts } of minutes.slice(1, 20)) expect(Object.values(counts).reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(60);
    }
  });

  it('look for living workers among many that died', async () => {
    const { read, plans } = await plansOf(() => backend.overview());
    expect(scans(plans.filter(({ sql }) => sql.includes('worker_heartbeat')))).toEqual([]);
    expect(read).toBeGreaterThan(0);
  });
});
