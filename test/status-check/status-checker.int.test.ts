import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { decideByHand } from '../../src/status-check/decide-by-hand.ts';
import { keepUnknownOutcomes } from '../../src/status-check/keep-unknown-outcome.ts';
import { startStatusChecker } from '../../src/status-check/status-checker.ts';
import type { StatusCheckerOptions } from '../../src/status-check/status-checker-options.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import type { AnyMessageListener } from '../../src/worker/message-listener.ts';
import { startDatabaseProxy } from '../gateway/support/database-proxy.ts';
import { executeIn } from '../support/execute-in.ts';
import { createDatabase } from '../support/stack.ts';
import { orderMessage, partsOn, payingListener, work } from './support/bank-checker.ts';

describe('StatusChecker on a real database, asking a bank', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let orm: MikroORM;
  let bank: MockBank;
  let orders = 0;
  const cleanups: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    database = await createDatabase('status_checker');
    orm = await openOrm({ url: database.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
    await orm.migrator.up();
    await execute('create table effect (id int auto_increment primary key, call_key varchar(64) not null, kind varchar(100) not null)');
  });
  beforeEach(async () => {
    for (const table of ['status_check', 'external_call', 'effect']) await execute(`delete from ${table}`);
    bank = await startMockBank();
    cleanups.push(() => bank.close());
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  afterAll(async () => {
    await orm?.close(true);
    await database?.drop();
  });

  const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
  const effects = async (): Promise<string[]> =>
    (await execute('select call_key, kind from effect order by id')).map(({ call_key, kind }) => `${String(call_key)} ${String(kind)}`);
  const statuses = async (): Promise<string[]> =>
    (
      await execute(
        `select distinct c.status, s.state from external_call c join status_check s
         on s.call_name = c.call_name and s.idempotency_key = c.idempotency_key`,
      )
    ).map(({ status, state }) => `${String(status)} ${String(state)}`);
  const questions = (): string[] => bank.requests.filter(({ method }) => method === 'GET').map(({ idempotencyKey }) => idempotencyKey);
  const eventually = <T>(attempt: () => Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 60_000, interval: 50 });

  const parts = (on: MikroORM) => {
    const made = partsOn(on, bank.origin);
    cleanups.push(() => made.gateway.close());
    return made;
  };
  /** Orders whose outcome is unknown, as a worker leaves them. */
  const leaveUnknown = async (listener: AnyMessageListener, count = 1): Promise<string[]> => {
    const { gateway, store } = parts(orm);
    const keep = keepUnknownOutcomes({ store });
    const ids = Array.from({ length: count }, () => `o-${(orders += 1)}`);
    await Promise.all(
      ids.map(async (id) => {
        const outcome = await work(gateway, listener, orderMessage(id));
        if (outcome.status !== 'UNKNOWN') throw new Error(`${id} ended ${outcome.status}`);
        await keep(listener, orderMessage(id), id, outcome.error);
      }),
    );
    return ids;
  };
  const start = (on: MikroORM, listener: AnyMessageListener, options: Partial<StatusCheckerOptions> = {}) => {
    const checker = startStatusChecker({ ...parts(on), listeners: [listener], sweepMs: 100, ...options });
    cleanups.push(() => checker.close());
    return checker;
  };

  it('finds a payment that was made although its answer never came', async () => {
    bank.follow([{ kind: 'never-answer' }]);
    const listener = payingListener();
    const [id] = await leaveUnknown(listener);
    start(orm, listener);
    await eventually(async () => expect(await statuses()).toEqual(['SUCCESS DONE']));
    expect(await effects()).toEqual([`${id} paid as pay-${id}`]);
    expect(bank.effects.get(id!)).toBe(1);
    // The question has evidence of its own.
    expect(await execute("select idempotency_key, status from external_call where call_name = 'charge.status'")).toEqual([
      { idempotency_key: `${id}#1`, status: 'SUCCESS' },
    ]);
  });

  it('sends a payment again that never arrived, under the same key, and pays once', async () => {
    bank.follow([{ kind: 'reset', when: 'before-body' }]);
    const listener = payingListener();
    const [id] = await leaveUnknown(listener);
    start(orm, listener);
    await eventually(async () => expect(await statuses()).toEqual(['SUCCESS DONE']));
    expect(bank.effects.get(id!)).toBe(1);
    expect(await effects()).toEqual([`${id} paid as pay-${id}`]);
  });

  it('goes on until the bank takes the payment again', async () => {
    bank.follow([{ kind: 'reset', when: 'before-body' }, { kind: 'unavailable', retryAfter: '0' }, { kind: 'never-answer' }]);
    const listener = payingListener();
    const [id] = await leaveUnknown(listener);
    start(orm, listener);
    await eventually(async () => expect(await statuses()).toEqual(['SUCCESS DONE']));
    expect(questions()).toEqual([`${id}#1`, `${id}#3`]);
    expect(bank.effects.get(id!)).toBe(1);
    expect(await effects()).toEqual([`${id} paid as pay-${id}`]);
  });

  it('compensates a payment that never arrived', async () => {
    bank.follow([{ kind: 'reset', when: 'before-body' }]);
    const listener = payingListener({ whenAbsent: 'fail' });
    const [id] = await leaveUnknown(listener);
    start(orm, listener);
    await eventually(async () => expect(await statuses()).toEqual(['FAIL DONE']));
    expect(await effects()).toEqual([`${id} refused`]);
    expect(bank.effects.size).toBe(0);
  });

  /** As a publisher's: writes and a COMMIT of its own, which fails the first time. */
  const publishing = () => {
    const runs = { count: 0 };
    const inTransaction: NonNullable<StatusCheckerOptions['worker']['inTransaction']> =
      (listener, { payload }, { status }) =>
      (apply) =>
        orm.em.fork().transactional(async (em) => {
          await apply(em);
          const { orderId } = payload as { orderId: string };
          await executeIn(em, 'insert into effect (call_key, kind) values (?, ?)', [orderId, `${listener.name} published ${status}`]);
          if ((runs.count += 1) === 1) throw new Error('the half message was not stored');
        });
    return { runs, inTransaction };
  };

  it('applies an end in the transaction it is given, and asks again when that was rolled back', async () => {
    bank.follow([{ kind: 'reset', when: 'before-body' }]);
    const listener = payingListener({ whenAbsent: 'fail' });
    const [id] = await leaveUnknown(listener);
    const { runs, inTransaction } = publishing();
    start(orm, listener, { worker: { ...parts(orm).worker, inTransaction } });
    await eventually(async () => expect(await statuses()).toEqual(['FAIL DONE']));
    expect(runs.count).toBe(2);
    expect(await effects()).toEqual([`${id} refused`, `${id} charge-payment published FAIL`]);
  });

  it('applies the end of a request sent again in the transaction it is given, once', async () => {
    bank.follow([{ kind: 'reset', when: 'before-body' }, { kind: 'reject' }]);
    const listener = payingListener();
    const [id] = await leaveUnknown(listener);
    const { runs, inTransaction } = publishing();
    start(orm, listener, { worker: { ...parts(orm).worker, inTransaction } });
    await eventually(async () => expect(await statuses()).toEqual(['FAIL DONE']));
    expect(runs.count).toBe(2);
    expect(await effects()).toEqual([`${id} refused`, `${id} charge-payment published FAIL`]);
  });

  it("applies a person's word in the transaction it is given, or not at all", async () => {
    bank.follow([{ kind: 'never-answer' }]);
    const listener = payingListener();
    const [id] = await leaveUnknown(listener);
    const { inTransaction } = publishing();
    const made = parts(orm);
    const decision = { callName: 'charge', idempotencyKey: id!, to: 'FAIL', by: 'ana', reason: 'by phone' } as const;
    const context = { ...made, worker: { ...made.worker, inTransaction }, listeners: new Map([[listener.name, listener]]) };
    await expect(decideByHand(decision, context)).rejects.toThrow('not stored');
    expect(await statuses()).toEqual(['UNKNOWN DUE']);
    expect(await effects()).toEqual([]);
    expect(await decideByHand(decision, context)).toBe('resolved');
    expect(await statuses()).toEqual(['FAIL DONE']);
    expect(await effects()).toEqual([`${id} refused`, `${id} charge-payment published FAIL`]);
  });

  it('settles 40 payments with two checkers side by side: each is asked about once and takes effect once', async () => {
    bank.follow(Array.from({ length: 40 }, () => ({ kind: 'never-answer' }) as const));
    const listener = payingListener();
    const ids = await leaveUnknown(listener, 40);
    const other = await openOrm({ url: database.url, entities: ENGINE_ENTITIES });
    cleanups.push(() => other.close(true));
    for (const on of [orm, other]) start(on, listener, { concurrency: 4 });
    await eventually(async () => expect(await statuses()).toEqual(['SUCCESS DONE']));
    expect((await effects()).sort()).toEqual(ids.map((id) => `${id} paid as pay-${id}`).sort());
    expect(questions().sort()).toEqual(ids.map((id) => `${id}#1`).sort());
  });

  it('asks again when it was killed between the answer and its record, and takes effect once', async () => {
    bank.follow([{ kind: 'never-answer' }]);
    const listener = payingListener();
    const [id] = await leaveUnknown(listener);
    const doomed = spawn(
      process.execPath,
      [new URL('./support/doomed-checker.child.ts', import.meta.url).pathname, database.url, bank.origin],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const exited = once(doomed, 'exit');
    cleanups.push(async () => doomed.kill('SIGKILL'));
    const [line] = (await once(doomed.stdout, 'data')) as [Buffer];
    doomed.kill('SIGKILL');
    await exited;
    expect(line.toString()).toBe('answered SUCCESS\n');
    expect(await statuses()).toEqual(['UNKNOWN DUE']);

    start(orm, listener);
    await execute('update status_check set lease_until = utc_timestamp(3)');
    await eventually(async () => expect(await statuses()).toEqual(['SUCCESS DONE']));
    expect(questions()).toEqual([`${id}#1`, `${id}#2`]);
    expect(await effects()).toEqual([`${id} paid as pay-${id}`]);
  });

  it('asks again when its connection died before the COMMIT, and takes effect once', async () => {
    bank.follow([{ kind: 'never-answer' }]);
    let runs = 0;
    const listener = payingListener({}, async (em) => {
      if ((runs += 1) > 1) return;
      const [connection] = await executeIn(em, 'select connection_id() as id');
      await execute(`kill ${Number(connection?.['id'])}`);
    });
    const [id] = await leaveUnknown(listener);
    const killed = await openOrm({ url: database.url, entities: ENGINE_ENTITIES });
    cleanups.push(() => killed.close(true));
    start(killed, listener);
    await eventually(async () => expect(await statuses()).toEqual(['SUCCESS DONE']));
    expect(runs).toBe(2);
    expect(await effects()).toEqual([`${id} paid as pay-${id}`]);
  });

  it('takes effect once when the answer to the COMMIT was lost', async () => {
    bank.follow([{ kind: 'never-answer' }]);
    const listener = payingListener();
    const [id] = await leaveUnknown(listener);
    const proxy = await startDatabaseProxy(database.url);
    const through = await openOrm({ url: proxy.url, entities: ENGINE_ENTITIES });
    cleanups.push(
      () => proxy.close(),
      () => through.close(true).catch(() => {}),
    );
    // After the question was seen: the COMMIT of its evidence, then the one that settles the call.
    bank.follow(({ method }) => {
      if (method === 'GET') proxy.loseCommitAnswer(2);
      return undefined;
    });
    start(through, listener);
    await eventually(async () => expect(await statuses()).toEqual(['SUCCESS DONE']));
    await eventually(async () => expect(proxy.lost).toBe(1));
    expect(await effects()).toEqual([`${id} paid as pay-${id}`]);
  });

  it('is overtaken by a person, whose name it keeps', async () => {
    bank.follow([{ kind: 'never-answer' }]);
    const listener = payingListener({ afterMs: 600_000, maxDelayMs: 600_000 });
    const [id] = await leaveUnknown(listener);
    start(orm, listener);
    const decision = { callName: 'charge', idempotencyKey: id!, to: 'FAIL', by: 'ana', reason: 'the bank says no by phone' } as const;
    const context = { ...parts(orm), listeners: new Map([[listener.name, listener]]) };
    expect(await decideByHand(decision, context)).toBe('resolved');
    expect(await decideByHand(decision, context)).toBe('not-unknown');
    expect(await statuses()).toEqual(['FAIL DONE']);
    expect(await effects()).toEqual([`${id} refused`]);
    expect(await execute('select decided_by, decision_reason from status_check')).toEqual([
      { decided_by: 'ana', decision_reason: 'the bank says no by phone' },
    ]);
    expect(questions()).toEqual([]);
  });
});
