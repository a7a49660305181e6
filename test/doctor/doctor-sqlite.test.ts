import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Examination } from '../../src/cli/doctor/finding.ts';
import { EmbeddedBroker } from '../../src/testing.ts';
import { type CommandResult, runCheckback } from '../cli/support/run-checkback.ts';
import { type TestSqlite, createSqlite } from '../support/sqlite.ts';

/** The machine may be busy: what a look in time would have found is found by a later one. */
const PATIENCE = { timeout: 100_000, interval: 500 };
let broker: EmbeddedBroker;
let sqlite: TestSqlite;

beforeAll(async () => {
  broker = await EmbeddedBroker.start({
    topics: { orders: 'TRANSACTION', 'status-checks': 'DELAY' },
    settings: { transactionTimeOutMs: 500, transactionCheckIntervalMs: 500, opBatchIntervalMs: 100 },
  });
  sqlite = await createSqlite();
});

afterAll(async () => {
  await broker?.close();
  await sqlite?.drop();
});

/** Without a name server, which the embedded broker has none of. */
const doctor = (url: string, ...flags: string[]): Promise<CommandResult> =>
  runCheckback(['doctor', ...flags], {
    CHECKBACK_ROCKETMQ_ENDPOINTS: broker.endpoints,
    CHECKBACK_DATABASE_URL: url,
    CHECKBACK_ORIGINS: 'bank=https://127.0.0.1:1',
  });

const told = ({ stdout }: CommandResult): Record<string, string> =>
  Object.fromEntries(
    (JSON.parse(stdout) as { examinations: Examination[] }).examinations.map(({ check, about, verdict }) => [
      `${check} ${about ?? ''}`.trim(),
      verdict,
    ]),
  );

describe('checkback doctor, on the embedded broker and SQLite', { timeout: 120_000 }, () => {
  it('finds nothing wrong with the worked example, and says what it did not look at', async () => {
    const look = async () => {
      const result = await doctor(sqlite.url, '--json', '--probe-check-back', '--probe-ms', '60000');
      return { code: result.code, told: told(result), stdout: result.stdout };
    };
    await expect.poll(look, PATIENCE).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('CHECKBACK_ROCKETMQ_NAMESRV'),
      told: {
        node: 'ok',
        broker: 'ok',
        'topics orders': 'ok',
        'topics status-checks': 'ok',
        groups: 'skipped',
        'half message orders': 'ok',
        'check-back orders': 'ok',
        'broker settings': 'skipped',
        database: 'ok',
        primary: 'skipped',
        durability: 'ok',
        grants: 'ok',
        'origins bank': 'ok',
        'reach origins': 'skipped',
      },
    });
    // Rolled back, both of them.
    await expect.poll(() => broker.inspect.halfMessages().length, PATIENCE).toBe(0);
    expect(broker.inspect.queued('orders', 'anybody')).toBe(0);
  }, 240_000);

  it('does not make the database it looks for', async () => {
    const path = join(dirname(sqlite.path), 'nobody-made-it.db');
    const result = await doctor(`sqlite://${path}`);
    expect(result.stdout).toMatch(/fail +database +there is no file .*nobody-made-it\.db/);
    expect(result.stdout).toMatch(/skipped +migrations +not checked: the database cannot be opened/);
    expect(result.code).toBe(1);
    const again = await doctor(`sqlite://${path}`, '--json');
    expect(told(again)).toMatchObject({ database: 'fail' });
    expect(existsSync(path)).toBe(false);
  });

  it('says which origin cannot be reached, when asked to look', async () => {
    const result = await doctor(sqlite.url, '--json', '--reach-origins');
    expect(told(result)).toMatchObject({ 'reach origins bank': 'fail' });
    expect(result.code).toBe(1);
  });

  it('ends with 2 for a configuration that cannot be read, and prints no password', async () => {
    const file = join(dirname(sqlite.path), 'broken.config.mjs');
    writeFileSync(file, 'export default { owner: "o", databaseUrl: "mysql://me:hunter2@h/d" }');
    const { code, stderr, stdout } = await runCheckback(['doctor', '--config', file]);
    expect(code).toBe(2);
    expect(stderr + stdout).not.toContain('hunter2');
  });
});

describe('checkback doctor, where nothing answers', { timeout: 120_000 }, () => {
  it('tells all of it in one run and never the password', async () => {
    const config = resolve(dirname(sqlite.path), 'nowhere.config.mjs');
    const content = { owner: 'o', endpoints: '127.0.0.1:1', databaseUrl: 'mysql://me:hunter2@127.0.0.1:1/shop' };
    writeFileSync(config, `export default ${JSON.stringify(content)}`);
    const result = await runCheckback(['doctor', '--config', config, '--namesrv', '127.0.0.1:1', '--json']);
    expect(told(result)).toMatchObject({ broker: 'fail', database: 'fail', 'half message': 'skipped', migrations: 'skipped', node: 'ok' });
    expect(result.code).toBe(1);
    expect(result.stdout + result.stderr).not.toContain('hunter2');
  });
});
