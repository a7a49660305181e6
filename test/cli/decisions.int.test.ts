import { randomUUID } from 'node:crypto';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, OrderEntity } from '../../schema/index.ts';
import { defineSaga } from '../../src/saga/define-saga.ts';
import { mysqlStatusCheckStore } from '../../src/store/mysql-status-check-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { startSaga } from '../../src/store/start-saga.ts';
import { type TestDatabase, createDatabase } from '../support/stack.ts';
import { type CommandResult, runCheckback } from './support/run-checkback.ts';

let home: TestDatabase;
let orm: MikroORM;

beforeAll(async () => {
  home = await createDatabase('decisions');
  orm = await openOrm({
    url: home.url,
    entities: [...ENGINE_ENTITIES, OrderEntity],
    migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
  });
  await orm.migrator.up();
});
afterAll(async () => {
  await orm?.close(true);
  await home?.drop();
});

const run = (...args: string[]): Promise<CommandResult> =>
  runCheckback([...args, '--config', 'test/e2e/support/shop.config.ts'], {
    CHECKBACK_MYSQL_URL: home.url,
    CHECKBACK_ROCKETMQ_ENDPOINTS: '127.0.0.1:1',
    CHECKBACK_TEST_TOPIC: 'orders',
    CHECKBACK_TEST_GROUP: 'payments',
  });
const execute = (sql: string, params: unknown[] = []): Promise<unknown> => orm.em.getConnection().execute(sql, params);

/** An order whose payment nobody knows the outcome of. */
async function unknownPayment(orderId: string): Promise<void> {
  const payload = { orderId, customerId: 'c1', amountMinor: 4_200, currency: 'EUR' };
  const em = orm.em.fork();
  em.create(OrderEntity, {
    id: orderId,
    transactionId: randomUUID(),
    customerId: 'c1',
    amountMinor: 4_200n,
    currency: 'EUR',
    createdAt: new Date(),
  });
  await em.flush();
  await execute(
    `insert into external_call (call_name, idempotency_key, correlation_id, status, attempts, created_at, updated_at)
     values ('charge-payment', ?, ?, 'UNKNOWN', 1, utc_timestamp(3), utc_timestamp(3))`,
    [orderId, orderId],
  );
  await mysqlStatusCheckStore(orm).schedule({
    callName: 'charge-payment',
    idempotencyKey: orderId,
    listener: 'charge-payment',
    correlationId: orderId,
    message: {
      topic: 'orders',
      tag: 'placed',
      keys: [orderId],
      properties: {},
      body: Buffer.from(JSON.stringify(payload)),
      messageId: `m-${orderId}`,
      deliveryAttempt: 1,
      bornAt: new Date(),
    },
    errorCode: 'CB_READ_TIMEOUT',
    afterMs: undefined,
  });
}
const orderStatus = async (id: string): Promise<string | undefined> => (await orm.em.fork().findOne(OrderEntity, { id }))?.status;

describe('checkback unknown', () => {
  it('lists what waits for a person, page by page, and records what the person found out, once', async () => {
    for (const orderId of ['one', 'two']) await unknownPayment(orderId);
    const first = JSON.parse((await run('unknown', 'list', '--limit', '1', '--json')).stdout) as {
      calls: { idempotencyKey: string }[];
      next: number;
    };
    expect(first.calls.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['one']);
    const second = await run('unknown', 'list', '--after', String(first.next));
    expect(second.stdout).toMatch(/charge-payment two {2}charge-payment {2}unknown for .*asked 0 times, last CB_READ_TIMEOUT {2}two\n$/);

    const found = ['--reason', 'called the bank', '--by', 'Ada', '--yes'];
    expect(await run('unknown', 'resolve', 'charge-payment', 'one', 'success', ...found)).toMatchObject({
      code: 0,
      stdout: 'charge-payment one is SUCCESS\n',
    });
    expect(await orderStatus('one')).toBe('PAID');
    expect(await run('unknown', 'resolve', 'charge-payment', 'two', 'FAIL', ...found)).toMatchObject({ code: 0 });
    expect(await orderStatus('two')).toBe('REJECTED');
    const rows = await execute(
      'select idempotency_key as k, state, outcome, decided_by as who, decision_reason as why from status_check order by id',
    );
    expect(rows).toEqual([
      { k: 'one', state: 'DONE', outcome: 'SUCCESS', who: 'Ada', why: 'called the bank' },
      { k: 'two', state: 'DONE', outcome: 'FAIL', who: 'Ada', why: 'called the bank' },
    ]);

    const again = await run('unknown', 'resolve', 'charge-payment', 'one', 'FAIL', ...found);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/not unknown \(any more\)/) as string });
    expect(await orderStatus('one')).toBe('PAID');
    expect(await run('unknown', 'list')).toMatchObject({ code: 0, stdout: '', stderr: 'no call waits for a person\n' });
  });

  it.each([
    ['a key that is not on record', ['charge-payment', 'nobody', 'FAIL', '--reason', 'r', '--yes'], 1, /no status check on record/],
    ['an outcome that is none', ['charge-payment', 'one', 'MAYBE', '--reason', 'r', '--yes'], 2, /must be SUCCESS or FAIL, got "MAYBE"/],
    ['no reason', ['charge-payment', 'one', 'FAIL', '--yes'], 2, /--reason/],
    ['no confirmation where nobody can be asked', ['charge-payment', 'one', 'FAIL', '--reason', 'r'], 2, /--yes/],
  ])('refuses %s', async (_what, args, code, complaint) => {
    const result = await run('unknown', 'resolve', ...args);
    expect(result.stderr).toMatch(complaint);
    expect(result.code).toBe(code);
  });
});

describe('checkback saga', () => {
  it('lists a parked saga, shows its steps, and records what is decided about it', async () => {
    const saga = defineSaga<{ orderId: string }>({ name: 'ship' }).step({ name: 'reserve', action: () => undefined });
    for (const id of ['s1', 's2']) {
      await orm.em.fork().transactional((em) => startSaga(em, saga, { id, input: { orderId: id }, correlationId: id }));
      await execute(`update saga_instance set status = 'PARKED', next_run_at = null, error = 'gave up' where id = ?`, [id]);
      await execute(
        `insert into saga_step (saga_id, step, direction, name, status, attempts, failures, error, started_at, updated_at)
         values (?, 0, 'action', 'reserve', 'WAITING', 3, 3, 'no stock', utc_timestamp(3), utc_timestamp(3))`,
        [id],
      );
    }
    expect((await run('saga', 'list')).stdout.split('\n')[0]).toMatch(/^s1 {2}ship v1 {2}PARKED {2}action of reserve {2}.*gave up$/);
    expect((await run('saga', 'show', 's1')).stdout).toMatch(/1 {2}action +reserve +WAITING +×3 {2}no stock/);

    const why = ['--reason', 'restocked', '--by', 'Ada', '--yes'];
    expect(await run('saga', 'retry', 's1', ...why)).toMatchObject({ code: 0, stdout: 'retry: recorded for saga s1\n' });
    expect(await run('saga', 'abandon', 's2', ...why)).toMatchObject({ code: 0 });
    expect((await run('saga', 'show', 's2')).stdout).toMatch(/ABANDONED[^]*abandon by Ada: restocked/);
    expect(await run('saga', 'retry', 's2', ...why)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is ABANDONED, not PARKED/) as string,
    });
    expect(await run('saga', 'show', 'nobody')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/there is no saga "nobody"/) as string,
    });
    const resumed = await run('saga', 'resume', 's2', '--outcome', 'DONE', ...why);
    expect(resumed.code).not.toBe(0);
  });
});
