import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MikroORM } from '@mikro-orm/mysql';
import { countOpenCalls, countOpenDeadLetters, countOpenSagas } from '../../src/store/pool-counts.ts';
import { liveWorkers, startHeartbeat } from '../../src/store/worker-heartbeat.ts';
import { snapshot } from '../../src/worker/worker-stats.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';

describe('What is seen of a pool on a SQLite file', () => {
  let home: TestSqlite;
  let orm: MikroORM;
  beforeEach(async () => {
    home = await createSqlite();
    orm = await home.open();
  });
  afterEach(() => home.drop());
  const execute = (sql: string): Promise<unknown> => orm.em.getConnection().execute(sql);

  it('are the workers that live, until they close', async () => {
    const report = () => ({ stats: snapshot(new Map()), circuits: [] });
    const heartbeat = startHeartbeat({ orm, owner: 'shop', report });
    await expect
      .poll(() => liveWorkers(orm))
      .toMatchObject([{ owner: 'shop', pid: process.pid, startedAt: expect.any(Date), ...report() }]);
    await execute('update worker_heartbeat set seen_at = utc_timestamp(3) - interval 1 minute');
    expect(await liveWorkers(orm)).toEqual([]);
    await heartbeat.close();
    expect(await execute('select * from worker_heartbeat')).toEqual([]);
  });

  it('are the calls that have not ended, by their age', async () => {
    const insert = (key: string, status: string, lease: string, updated: string) =>
      execute(`insert into external_call (call_name, idempotency_key, correlation_id, status, lease_until, created_at, updated_at)
        values ('c', '${key}', 'r', '${status}', ${lease}, utc_timestamp(3), ${updated})`);
    const now = 'utc_timestamp(3)';
    await insert('a', 'PENDING', 'null', now);
    await insert('b', 'PENDING', `${now} + interval 1 minute`, now);
    await insert('c', 'PENDING', `${now} - interval 1 minute`, now);
    await insert('d', 'UNKNOWN', 'null', now);
    await insert('e', 'UNKNOWN', 'null', `${now} - interval 30 day`);
    await insert('f', 'SUCCESS', 'null', now);
    const counts = await countOpenCalls(orm);
    expect(counts).toMatchObject({ waiting: 1, inProgress: 1, abandoned: 1, unknown: 2 });
    expect(counts.unknownByAge.map(({ count }) => count)).toEqual([1, 0, 0, 1]);
    expect(await countOpenDeadLetters(orm)).toEqual({ open: 0, replaying: 0, byTopic: [] });
    expect(await countOpenSagas(orm)).toEqual({ running: 0, compensating: 0, parked: 0 });
  });
});
