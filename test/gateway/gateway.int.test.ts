import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { executeIn } from '../support/execute-in.ts';
import { createDatabase } from '../support/stack.ts';
import { type DatabaseProxy, startDatabaseProxy } from './support/database-proxy.ts';
import { FAULTS, randomFrom } from './support/faults.ts';
import { payment, payOrder } from './support/payment-call.ts';

describe('Gateway on a real database', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let orm: MikroORM;
  let bank: MockBank;
  let keys = 0;
  const gateways: Gateway[] = [];

  beforeAll(async () => {
    database = await createDatabase('gateway');
    orm = await openOrm({ url: database.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
    await orm.migrator.up();
    await execute('create table effect (id int auto_increment primary key, call_key varchar(64) not null)');
  });

  beforeEach(async () => {
    bank = await startMockBank();
  });

  afterEach(async () => {
    await Promise.all(gateways.splice(0).map((gateway) => gateway.close()));
    await bank.close();
  });

  afterAll(async () => {
    await orm?.close(true);
    await database?.drop();
  });

  const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
  const freshIds = () => ({ idempotencyKey: `key-${(keys += 1)}`, correlationId: `correlation-${keys}` });
  const takeEffect = (key: string) => async (em: EntityManager) =>
    void (await executeIn(em, 'insert into effect (call_key) values (?)', [key]));
  const effectsOf = async (key: string): Promise<number> =>
    Number((await execute('select count(*) as n from effect where call_key = ?', [key]))[0]?.['n']);
  const rowsOf = (key: string) =>
    execute(
      `select c.status, c.attempts, c.lease_owner, a.attempt, r.http_status, r.error_code from external_call c
       left join external_call_attempt a on a.call_id = c.id left join external_call_response r on r.call_id = c.id and r.attempt = a.attempt where c.idempotency_key = ? order by a.attempt`,
      [key],
    );

  const open = (through = orm): Gateway => {
    const gateway = createGateway({
      origins: { bank: bank.origin },
      // So many answers are faults here, on purpose, that the bank would be spared.
      circuit: false,
      store: mysqlExternalCallStore(through),
      closeTimeoutMs: 20_000,
      waitInFlightMs: 2_000,
    });
    gateways.push(gateway);
    return gateway;
  };

  it('pays once for two workers that are given one key at once', async () => {
    bank.follow([{ kind: 'slow', delayMs: 100 }]);
    const ids = freshIds();
    const apply = takeEffect(ids.idempotencyKey);
    const outcomes = await Promise.all([open(), open()].map((gateway) => gateway.call(payOrder(), payment, { ...ids, apply })));

    expect(outcomes.map((outcome) => outcome.status === 'SUCCESS' && outcome.replayed).sort()).toEqual([false, true]);
    expect(bank.effects.get(ids.idempotencyKey)).toBe(1);
    expect(await effectsOf(ids.idempotencyKey)).toBe(1);
    expect(await rowsOf(ids.idempotencyKey)).toEqual([
      { status: 'SUCCESS', attempts: 1, lease_owner: null, attempt: 1, http_status: 201, error_code: null },
    ]);
  });

  it('keeps a record of every attempt until one succeeds', async () => {
    const ids = freshIds();
    bank.follow([
      { kind: 'unavailable', retryAfter: '0' },
      { kind: 'answer', status: 429 },
    ]);
    const gateway = open();
    const statuses = [];
    for (let call = 1; call <= 4; call += 1) statuses.push((await gateway.call(payOrder(), payment, ids)).status);

    expect(statuses).toEqual(['PENDING', 'PENDING', 'SUCCESS', 'SUCCESS']);
    expect((await rowsOf(ids.idempotencyKey)).map(({ attempt, http_status }) => [attempt, http_status])).toEqual([
      [1, 503],
      [2, 429],
      [3, 201],
    ]);
  });

  it('finds a call UNKNOWN whose worker was killed before the answer, and does not make it again', async () => {
    const ids = freshIds();
    bank.follow([{ kind: 'never-answer' }]);
    const worker = spawn(
      process.execPath,
      [new URL('./support/calling-worker.ts', import.meta.url).pathname, database.url, bank.origin, ids.idempotencyKey],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    await bank.seen(({ idempotencyKey }) => idempotencyKey === ids.idempotencyKey);
    worker.kill('SIGKILL');
    await once(worker, 'exit');

    const gateway = open();
    expect(await gateway.call(payOrder(), payment, ids)).toMatchObject({ status: 'PENDING', error: { code: 'CB_CALL_IN_FLIGHT' } });
    await execute('update external_call set lease_until = utc_timestamp(3) where idempotency_key = ?', [ids.idempotencyKey]);
    expect(await gateway.call(payOrder(), payment, ids)).toMatchObject({ status: 'UNKNOWN', replayed: true });
    expect(bank.effects.get(ids.idempotencyKey)).toBe(1);
    expect(await rowsOf(ids.idempotencyKey)).toEqual([
      { status: 'UNKNOWN', attempts: 1, lease_owner: null, attempt: 1, http_status: null, error_code: null },
    ]);
  });

  it('has committed the request record when the bank sees the request', async () => {
    const ids = freshIds();
    bank.follow([{ kind: 'slow', delayMs: 200 }]);
    const calling = open().call(payOrder(), payment, ids);
    await bank.seen(() => true);
    // On another connection, so only what is committed shows.
    expect(await rowsOf(ids.idempotencyKey)).toMatchObject([{ status: 'PENDING', attempt: 1, lease_owner: expect.any(String) }]);
    await calling;
  });

  it('makes no call when the record cannot be written', async () => {
    const ids = freshIds();
    await execute('rename table external_call_attempt to hidden');
    try {
      await expect(open().call(payOrder(), payment, ids)).rejects.toMatchObject({ code: 'CB_AUDIT_UNAVAILABLE' });
    } finally {
      await execute('rename table hidden to external_call_attempt');
    }
    expect(bank.requests).toHaveLength(0);
    expect(await open().call(payOrder(), payment, ids)).toMatchObject({ status: 'SUCCESS', replayed: false });
  });

  /** A gateway whose way to the database can be broken. */
  const withProxy = async (work: (gateway: Gateway, proxy: DatabaseProxy) => Promise<void>): Promise<void> => {
    const proxy = await startDatabaseProxy(database.url);
    const through = await openOrm({ url: proxy.url, entities: ENGINE_ENTITIES });
    const gateway = createGateway({
      origins: { bank: bank.origin },
      store: mysqlExternalCallStore(through),
      storeTimeoutMs: 1_000,
      closeTimeoutMs: 5_000,
    });
    try {
      await work(gateway, proxy);
    } finally {
      await gateway.close();
      await proxy.close();
      await through.close(true).catch(() => {});
    }
  };

  it('makes no call when the database is gone', () =>
    withProxy(async (gateway, proxy) => {
      proxy.cut();
      await expect(gateway.call(payOrder(), payment, freshIds())).rejects.toMatchObject({ code: 'CB_AUDIT_UNAVAILABLE' });
      expect(bank.requests).toHaveLength(0);
    }));

  it('makes no call when the database does not answer', () =>
    withProxy(async (gateway, proxy) => {
      proxy.freeze();
      await expect(gateway.call(payOrder(), payment, freshIds())).rejects.toMatchObject({
        code: 'CB_AUDIT_UNAVAILABLE',
        cause: { message: 'no answer within 1000 ms' },
      });
      expect(bank.requests).toHaveLength(0);
      proxy.cut();
    }));

  it.each([1, 2])('pays and takes effect once when the answer to COMMIT %d is lost', (nth) =>
    withProxy(async (gateway, proxy) => {
      const ids = freshIds();
      proxy.loseCommitAnswer(nth);
      expect(await gateway.call(payOrder(), payment, { ...ids, apply: takeEffect(ids.idempotencyKey) })).toMatchObject({
        status: 'SUCCESS',
        replayed: false,
      });
      expect(proxy.lost).toBe(1);
      expect(await effectsOf(ids.idempotencyKey)).toBe(1);
      expect(bank.effects.get(ids.idempotencyKey)).toBe(1);
      expect(await rowsOf(ids.idempotencyKey)).toMatchObject([{ status: 'SUCCESS', attempts: 1, attempt: 1 }]);
    }),
  );

  it('survives connections killed while it records, taking effect once', async () => {
    const killed = await openOrm({ url: database.url, entities: ENGINE_ENTITIES });
    const gateway = open(killed);
    try {
      for (let round = 0; round < 5; round += 1) {
        const ids = freshIds();
        let runs = 0;
        const apply = async (em: EntityManager): Promise<void> => {
          await takeEffect(ids.idempotencyKey)(em);
          // The first time, the connection of this very transaction dies before its COMMIT.
          if ((runs += 1) > 1) return;
          const [connection] = await executeIn(em, 'select connection_id() as id');
          await execute(`kill ${Number(connection?.['id'])}`);
        };
        expect(await gateway.call(payOrder(), payment, { ...ids, apply })).toMatchObject({ status: 'SUCCESS' });
        expect(runs).toBe(2);
        expect(await effectsOf(ids.idempotencyKey)).toBe(1);
      }
    } finally {
      await killed.close(true);
    }
  });

  it('ends 300 keys among all faults, each called by two workers at once, with every request on record and no effect twice', async () => {
    const random = randomFrom(7);
    bank.follow(({ method }) => (method === 'POST' && random() < 0.5 ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined));
    const other = await openOrm({ url: database.url, entities: ENGINE_ENTITIES });
    const workers = [open(), open(other)];
    const call = payOrder({ timeouts: { readMs: 150, totalMs: 6_000 }, maxResponseBytes: 64 * 1024 });
    const pending = Array.from({ length: 300 }, (_, index) => `fault-${index}`);
    const caller = async (): Promise<void> => {
      for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
        const options = { idempotencyKey: key, correlationId: 'all faults', apply: takeEffect(key) };
        await Promise.all(workers.map((gateway) => gateway.call(call, payment, options)));
      }
    };
    try {
      await Promise.all(Array.from({ length: 20 }, caller));
    } finally {
      await Promise.all(gateways.splice(0).map((gateway) => gateway.close()));
      await other.close(true);
    }

    const rows = await execute(
      `select c.idempotency_key, c.status, c.attempts, c.lease_owner,
         (select count(*) from external_call_attempt a where a.call_id = c.id) as requests,
         (select count(*) from external_call_response r where r.call_id = c.id) as responses,
         (select count(*) from effect e where e.call_key = c.idempotency_key) as effects
       from external_call c where c.correlation_id = 'all faults'`,
    );
    const seen = Map.groupBy(bank.requests, ({ idempotencyKey }) => idempotencyKey);
    const wrong = rows.filter(({ idempotency_key, status, attempts, lease_owner, requests, responses, effects }) => {
      const key = String(idempotency_key);
      const paid = bank.effects.get(key) ?? 0;
      const isAudited = requests === attempts && responses === attempts && (seen.get(key)?.length ?? 0) <= Number(attempts);
      const isTrue = status === 'SUCCESS' ? paid === 1 : status === 'UNKNOWN' ? paid <= 1 : paid === 0;
      return !isAudited || !isTrue || lease_owner !== null || effects !== (status === 'SUCCESS' || status === 'FAIL' ? 1 : 0);
    });
    expect(wrong).toEqual([]);
    expect(rows).toHaveLength(300);
    // PENDING is left only where both workers were told to come later, which chance may not bring about.
    expect([...new Set(rows.map(({ status }) => status))]).toEqual(expect.arrayContaining(['SUCCESS', 'FAIL', 'UNKNOWN']));
  });
});
