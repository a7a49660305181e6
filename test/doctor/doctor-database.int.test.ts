import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/index.ts';
import { neededOn } from '../../src/cli/doctor/grants.ts';
import type { Examination } from '../../src/cli/doctor/finding.ts';
import { queryMysql } from '../../src/cli/stack/mysql-probe.ts';
import { runCheckback } from '../cli/support/run-checkback.ts';
import { type TestDatabase, createDatabase } from '../support/stack.ts';

/** The machine may be busy: what a look in time would have found is found by a later one. */
const PATIENCE = { timeout: 100_000, interval: 500 };
let home: TestDatabase;
/** A user with exactly the rights that a test gives it. */
const user = `doctor_${randomBytes(4).toString('hex')}`;
const password = randomBytes(8).toString('hex');
const tables = ENGINE_ENTITIES.map(({ meta }) => meta.tableName);
const grantOn = (table: string, privileges: readonly string[]) =>
  queryMysql(home.url, `GRANT ${privileges.join(', ')} ON \`${home.name}\`.\`${table}\` TO '${user}'@'%'`);

const doctor = async (url: string): Promise<{ code: number; all: string; find(check: string): Examination }> => {
  const result = await runCheckback(['doctor', '--json'], {
    CHECKBACK_MYSQL_URL: url,
    CHECKBACK_ROCKETMQ_ENDPOINTS: '127.0.0.1:1',
    CHECKBACK_ORIGINS: 'bank=https://127.0.0.1:1',
  });
  const { examinations } = JSON.parse(result.stdout) as { examinations: Examination[] };
  return { code: result.code, all: result.stdout + result.stderr, find: (check) => examinations.find((one) => one.check === check)! };
};

beforeAll(async () => {
  home = await createDatabase('doctor');
  await queryMysql(home.url, `CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`);
});

afterAll(async () => {
  if (home === undefined) return;
  await queryMysql(home.url, `DROP USER IF EXISTS '${user}'@'%'`);
  await home.drop();
});

const asUser = (): string => {
  const url = new URL(home.url);
  url.username = user;
  url.password = password;
  return url.href;
};

describe('checkback doctor, on a real database', () => {
  it('names pending migrations and leaves no table behind', async () => {
    const look = async () => {
      const { code, find } = await doctor(home.url);
      return { code, migrations: find('migrations'), grants: find('grants').verdict, broker: find('broker').verdict };
    };
    const all = ENGINE_MIGRATIONS.length + 1;
    await expect.poll(look, PATIENCE).toMatchObject({
      code: 1,
      migrations: {
        verdict: 'fail',
        says: expect.stringContaining(`${all} of ${all} are pending`),
        advice: expect.stringContaining('checkback migrate up'),
      },
      grants: 'skipped',
      broker: 'fail',
    });
    expect(await queryMysql(home.url, 'SHOW TABLES')).toEqual([]);
  });

  it('says which grants are missing, then that evidence can be changed, then that all is well; never the password', async () => {
    const env = { CHECKBACK_MYSQL_URL: home.url, CHECKBACK_ROCKETMQ_ENDPOINTS: '127.0.0.1:1' };
    expect((await runCheckback(['migrate', 'up'], env)).code).toBe(0);
    const before = await queryMysql(home.url, 'SELECT count(*) AS n FROM external_call');
    await grantOn('checkback_migrations', ['SELECT']);
    for (const table of tables) await grantOn(table, ['SELECT']);

    const heard: string[] = [];
    const look = async () => {
      const { all, find } = await doctor(asUser());
      heard.push(all);
      return { migrations: find('migrations').verdict, grants: find('grants') };
    };
    const missing = /GRANT INSERT ON external_call; GRANT UPDATE ON external_call; GRANT INSERT ON external_call_attempt;/;
    await expect
      .poll(look, PATIENCE)
      .toMatchObject({ migrations: 'ok', grants: { verdict: 'fail', advice: expect.stringMatching(missing) } });
    expect((await look()).grants.advice).not.toMatch(/UPDATE ON external_call_attempt|DELETE ON external_call_/);

    for (const table of tables) await grantOn(table, neededOn(table));
    await expect.poll(look, PATIENCE).toMatchObject({ grants: { verdict: 'ok' } });

    await grantOn('external_call_attempt', ['UPDATE']);
    await expect
      .poll(look, PATIENCE)
      .toMatchObject({ grants: { verdict: 'warn', says: expect.stringContaining('external_call_attempt') } });
    expect(heard.join()).not.toContain(password);
    expect(await queryMysql(home.url, 'SELECT count(*) AS n FROM external_call')).toEqual(before);
  }, 400_000);
});
