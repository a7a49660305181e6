import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bankStatement, chargePayment } from '../../../listeners/index.ts';
import { composeStatement } from '../../../src/cli/compose-statement.ts';
import type { LoadedConfig } from '../../../src/cli/config.ts';
import { reconcileStatement } from '../../../src/reconciliation/statement/reconcile-statement.ts';
import { silentLogger } from '../../../src/shared/logger.ts';
import { mysqlStatusCheckStore } from '../../../src/store/mysql-status-check-store.ts';
import { mysqlStatementStore } from '../../../src/store/mysql-reconciliation-break-store.ts';
import type { StatementStore } from '../../../src/reconciliation/statement/statement-store.ts';
import { createDatabase } from '../../support/stack.ts';
import { DAY, generated, insertOrders, openShop, temporaryFiles } from './support.ts';

const CONFIG = resolve(import.meta.dirname, 'statement.config.ts');
const MAIN = resolve(import.meta.dirname, '../../../src/cli/main.ts');
const HEAD = 'reference;amount;currency;status;booked_at\n';
const NOON = '2026-01-31T12:00:00.000Z';

describe('checkback reconcile statement', () => {
  const files = temporaryFiles();
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let orm: MikroORM;
  let store: StatementStore;

  beforeAll(async () => {
    database = await createDatabase('statement_days');
    orm = await openShop(database.url);
    await orm.migrator.up();
    store = mysqlStatementStore(orm);
  });

  afterAll(async () => {
    await orm?.close(true);
    await database?.drop();
    files.remove();
  });

  beforeEach(async () => {
    for (const table of ['orders', 'external_call', 'status_check', 'statement_run', 'reconciliation_break', 'reconciliation_break_action'])
      await orm.em.getConnection().execute(`delete from ${table}`);
  });

  const environment = () => ({ ...process.env, CHECKBACK_MYSQL_URL: database.url, NO_COLOR: '1' });
  const checkback = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((done) => {
      execFile(process.execPath, [MAIN, 'reconcile', ...args, '--config', CONFIG], { env: environment() }, (error, stdout, stderr) =>
        done({ code: error === null ? 0 : (error.code as unknown as number), stdout, stderr }),
      );
    });
  /** In this process: 2 when it leaves something open, as the command ends. */
  const reconcile = async (path: string, day = DAY): Promise<0 | 2> => {
    const config = { messageListeners: [chargePayment] } as unknown as LoadedConfig;
    const { part } = await composeStatement(config, orm, { logger: silentLogger, rate: undefined, settles: true });
    const input = { day, bytes: createReadStream(path), source: 'bank.csv' };
    const { runId } = await reconcileStatement(bankStatement, input, part, new AbortController().signal);
    return (await store.report(runId)).counts.some(({ state, isLate }) => state === 'OPEN' && !isLate) ? 2 : 0;
  };
  const line = (id: string, amount = '1,00', status = 'BOOKED'): string => `${id};${amount};EUR;${status};${NOON}\n`;
  const file = (name: string, lines: string[]): Promise<string> => {
    const cents = lines.map((one) => Number(one.split(';')[1]!.replace(',', '')));
    return files.write(name, [HEAD, ...lines, `TOTAL;${lines.length};${cents.reduce((sum, one) => sum + one, 0)}\n`]);
  };
  const order = (id: string, at = NOON): Promise<void> =>
    insertOrders(orm, [{ id, amountMinor: 100n, currency: 'EUR', createdAt: new Date(at) }]);
  const stored = async () =>
    (await store.list({}, { after: 0, limit: 10_000 })).map(({ day, kind, reference, occurrence, standing }) =>
      [day, kind, reference, occurrence, standing.state, standing.state === 'OPEN' ? standing.isLate : standing.through].join(' '),
    );
  const histories = async () =>
    orm.em
      .getConnection()
      .execute(
        'select b.reference, a.action from reconciliation_break_action a join reconciliation_break b on b.id = a.break_id order by a.id',
      );

  it('reports breaks as table, JSON and page, and ends with 2; nothing is written by a dry run', async () => {
    await order('paid');
    await order('gone');
    const path = await file(`bank-${DAY}.csv`, [line('paid', '1,01'), line('<b>')]);
    const dry = await checkback('statement', path, '--dry-run');
    expect(dry).toMatchObject({ code: 2, stderr: '' });
    expect(dry.stdout).toMatch(
      /statement bank of 2026-01-31, dry run[^]*1 {2}MISSING_THERE[^]*AMOUNT_DIFFERS +paid {2}theirs 101 EUR SUCCESS line 2/,
    );
    expect(await stored()).toEqual([]);
    const page = `${files.directory}/report.html`;
    const { code, stdout } = await checkback('statement', path, '--json', '--html', page);
    expect(code).toBe(2);
    const report = JSON.parse(stdout) as { breaks: { kind: string }[]; open: number; rowsPerSecond: number };
    expect(report).toMatchObject({ open: 3, run: { lines: 2, rows: 2, isDone: true } });
    expect(report.rowsPerSecond).toBeGreaterThan(0);
    expect(report.breaks.map(({ kind }) => kind).sort()).toEqual(['AMOUNT_DIFFERS', 'MISSING_HERE', 'MISSING_THERE']);
    expect(readFileSync(page, 'utf8')).toContain('<td>&lt;b&gt;</td>');
  });

  it('ends with 0 where both sides agree, and with 1 and the lines of a bad file', async () => {
    await order('paid');
    expect(await checkback('statement', await file(`bank-${DAY}.csv`, [line('paid')]))).toMatchObject({ code: 0 });
    const bad = await files.write(`bad-${DAY}.csv`, [HEAD, line('paid', '1,005'), line('paid', 'x')]);
    const { code, stderr } = await checkback('statement', bad);
    expect(code).toBe(1);
    expect(stderr).toContain('line 2: "1,005" has 3 digits after the separator, EUR has 2');
    expect(stderr).toContain('line 4: the file ends without its trailer');
    expect(await checkback('statement', `${files.directory}/nothing-${DAY}.csv`)).toMatchObject({ code: 1 });
    expect(await checkback('statement', await files.write('nameless.csv', [HEAD]))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--day must say which day it is'),
    });
  });

  it('ends breaks that a later run or the next day agrees about, and takes what is late for late', async () => {
    await order('late', '2026-01-31T16:58:00Z');
    await order('missing');
    const today = await file(`bank-${DAY}.csv`, [line('unknown-here')]);
    expect(await reconcile(today)).toBe(2);
    const found = [
      '2026-01-31 MISSING_HERE unknown-here 0 OPEN false',
      '2026-01-31 MISSING_THERE late 0 OPEN true',
      '2026-01-31 MISSING_THERE missing 0 OPEN false',
    ];
    expect((await stored()).sort()).toEqual(found);
    // The next day has the late one; of the unknown one, a row has come up.
    await order('unknown-here', '2026-02-01T08:00:00Z');
    expect(await reconcile(await file('tomorrow.csv', [line('late')]), '2026-02-01')).toBe(0);
    expect((await stored()).sort()).toEqual([
      '2026-01-31 MISSING_HERE unknown-here 0 RESOLVED statement',
      '2026-01-31 MISSING_THERE late 0 RESOLVED statement',
      '2026-01-31 MISSING_THERE missing 0 OPEN false',
    ]);
    // A corrected statement of the first day.
    expect(await reconcile(await file(`corrected-${DAY}.csv`, [line('unknown-here'), line('missing')]))).toBe(0);
    expect((await stored()).sort()[2]).toBe('2026-01-31 MISSING_THERE missing 0 RESOLVED policy');
    // And the first one again: what another day has is not missing once more.
    expect(await reconcile(today)).toBe(2);
    expect((await stored()).sort()).toEqual([
      '2026-01-31 MISSING_HERE unknown-here 0 RESOLVED statement',
      '2026-01-31 MISSING_THERE late 0 RESOLVED statement',
      '2026-01-31 MISSING_THERE missing 0 OPEN false',
    ]);
  });

  it('finds a payment that two days’ statements have', async () => {
    await order('once');
    expect(await reconcile(await file(`bank-${DAY}.csv`, [line('once')]))).toBe(0);
    expect(await reconcile(await file('tomorrow.csv', [line('once')]), '2026-02-01')).toBe(2);
    expect(await stored()).toEqual(['2026-02-01 DUPLICATE_THERE once 1 OPEN false']);
  });

  it('leaves what a person decided alone as long as the figures are the same', async () => {
    await order('paid');
    const path = await file(`bank-${DAY}.csv`, [line('paid', '1,01')]);
    await reconcile(path);
    const [found] = await store.list({}, { after: 0, limit: 1 });
    const decide = (...args: string[]) => checkback('breaks', ...args, '--reason', 'a cent, rounded', '--by', 'ada', '--yes');
    expect(await decide('accept', String(found!.id))).toMatchObject({ code: 0, stdout: `${found!.id}  accepted\n` });
    expect(await decide('resolve', String(found!.id))).toMatchObject({ code: 1, stdout: `${found!.id}  refused: it is ACCEPTED\n` });
    expect(await reconcile(path)).toBe(0);
    expect(await stored()).toEqual(['2026-01-31 AMOUNT_DIFFERS paid 0 ACCEPTED person']);
    expect(await reconcile(await file(`worse-${DAY}.csv`, [line('paid', '9,00')]))).toBe(2);
    expect(await stored()).toEqual(['2026-01-31 AMOUNT_DIFFERS paid 0 OPEN false']);
    expect(await histories()).toEqual(['FOUND', 'ACCEPTED', 'REOPENED'].map((action) => ({ reference: 'paid', action })));
    expect((await checkback('breaks', 'show', String(found!.id))).stdout).toMatch(/ACCEPTED by ada: a cent, rounded/);
    expect(JSON.parse((await checkback('breaks', 'list', '--json')).stdout)).toMatchObject({ breaks: [{ reference: 'paid' }], next: null });
  });

  it('settles calls whose outcome nobody knew, once, with the order and the break', async () => {
    const checks = mysqlStatusCheckStore(orm);
    for (const id of ['accepted', 'rejected', 'other-amount']) {
      await order(id);
      const payload = { orderId: id, customerId: 'c', amountMinor: 100, currency: 'EUR' };
      const message = {
        topic: 'orders',
        tag: 'placed',
        keys: [id],
        properties: {},
        body: Buffer.from(JSON.stringify(payload)),
        messageId: id,
        deliveryAttempt: 1,
        bornAt: undefined,
      };
      const key = { callName: 'charge-payment', idempotencyKey: id, listener: 'charge-payment', correlationId: id };
      await checks.schedule({ ...key, message, errorCode: undefined, afterMs: 3_600_000 });
    }
    const execute = (sql: string) => orm.em.getConnection().execute(sql);
    await execute("update external_call set status = 'UNKNOWN'");
    await execute("update orders set status = 'PLACED'");
    const lines = [line('accepted'), line('rejected', '1,00', 'REJECTED'), line('other-amount', '2,00')];
    expect(await reconcile(await file(`bank-${DAY}.csv`, lines))).toBe(2);
    expect(await execute('select id, status from orders order by id')).toEqual([
      { id: 'accepted', status: 'PAID' },
      { id: 'other-amount', status: 'PLACED' },
      { id: 'rejected', status: 'REJECTED' },
    ]);
    expect((await stored()).sort()).toEqual([
      '2026-01-31 AMOUNT_DIFFERS other-amount 0 OPEN false',
      '2026-01-31 STATUS_DIFFERS accepted 0 RESOLVED policy',
      '2026-01-31 STATUS_DIFFERS other-amount 0 OPEN false',
      '2026-01-31 STATUS_DIFFERS rejected 0 RESOLVED policy',
    ]);
  });

  it('ends in the same state and report wherever it was killed', async () => {
    const day = generated(5_000, 200);
    await insertOrders(orm, day.orders());
    const path = await files.write(`many-${DAY}.csv`, day.statement());
    const args = [MAIN, 'reconcile', 'statement', path, '--config', CONFIG, '--chunk', '20', '--json'];
    const killedWith: number[] = [];
    for (const after of [1, 300, 700]) {
      const child = spawn(process.execPath, args, { env: environment(), stdio: 'ignore' });
      const exited = once(child, 'exit');
      let written = 0;
      while (child.exitCode === null && written < after)
        written = Number((await orm.em.getConnection().execute('select count(*) as n from reconciliation_break'))[0]!.n);
      child.kill('SIGKILL');
      await exited;
      killedWith.push(written);
    }
    expect(killedWith.every((written) => written > 0)).toBe(true);
    const first = await checkback('statement', path, '--json');
    expect(first.code).toBe(2);
    expect((await stored()).map((one) => one.split(' ').slice(1, 3).join(' ')).sort()).toEqual(day.breaks);
    const [runs] = await orm.em.getConnection().execute('select count(*) as n, max(pass) as pass from statement_run');
    expect(runs).toMatchObject({ n: 1, pass: 4 });
    const found = await orm.em.getConnection().execute("select count(*) as n from reconciliation_break_action where action = 'FOUND'");
    expect(Number(found[0]!.n)).toBe(1_000);
    const unkilled = await checkback('statement', path, '--json');
    const told = ({ stdout }: { stdout: string }): object => {
      const { rowsPerSecond: _, tookMs: __, run, ...rest } = JSON.parse(stdout) as Record<string, unknown> & { run: object };
      return { ...rest, run: { ...run, id: 0 } };
    };
    expect(told(unkilled)).toEqual(told(first));
  });
});
