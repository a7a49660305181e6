import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ReceivedMessage } from '../../src/broker/message.ts';
import type { ExternalCallStore } from '../../src/gateway/external-call-store.ts';
import { canMove, type Move, STATUS_CHECK_STATES, type StatusCheckState } from '../../src/status-check/status-check-state.ts';
import type { ClaimedCheck, StatusCheckStore } from '../../src/status-check/status-check-store.ts';
import type { StatusReport } from '../../src/status-check/status-report.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { mysqlStatusCheckStore } from '../../src/store/mysql-status-check-store.ts';
import { mysqlStatusReport } from '../../src/store/mysql-status-report.ts';
import { executeIn } from '../support/execute-in.ts';
import type { OpenHome, StoreHome } from './store-home.ts';

const LEASE_MS = 60_000;
const CALLS = [{ listener: 'charge-payment', callName: 'charge' }];
const DUE = { calls: CALLS, limit: 10, leaseMs: LEASE_MS };
const NOTE = { isCounted: true, said: 'NONE', errorCode: 'CB_READ_TIMEOUT' } as const;

/** What every store of status checks does. */
export const describeStatusCheckStore = (open: OpenHome): void => {
  describe('Status check store', () => {
    let home: StoreHome;
    let orm: MikroORM;
    let other: MikroORM;
    let store: StatusCheckStore;
    let calls: ExternalCallStore;
    let report: StatusReport;
    let keys = 0;

    beforeAll(async () => {
      home = await open();
      ({ orm } = home);
      await execute(`create table effect (id ${home.numbered}, call_key varchar(64) not null)`);
      other = await home.another();
      store = mysqlStatusCheckStore(orm);
      calls = mysqlExternalCallStore(orm);
      report = mysqlStatusReport(orm);
    });
    beforeEach(async () => {
      for (const table of ['status_check', 'external_call', 'effect']) await execute(`delete from ${table}`);
    });
    afterAll(async () => {
      await home?.close();
    });

    const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
    const rowOf = async (key: string) => (await execute('select * from status_check where idempotency_key = ?', [key]))[0]!;
    const callOf = async (key: string) => (await execute('select * from external_call where idempotency_key = ?', [key]))[0]!;
    const effectsOf = async (key: string): Promise<number> =>
      Number((await execute('select count(*) as n from effect where call_key = ?', [key]))[0]?.['n']);
    const takeEffect = (em: EntityManager, key: string): Promise<unknown> =>
      executeIn(em, 'insert into effect (call_key) values (?)', [key]);
    const endLeases = () =>
      execute('update status_check set lease_until = utc_timestamp(3) - interval 1 second where lease_owner is not null');
    const insertCall = (key: string, status: string, lease: string | null = null) =>
      execute(
        `insert into external_call (call_name, idempotency_key, correlation_id, status, attempts, lease_owner, created_at, updated_at)
       values ('charge', ?, 'c', ?, 1, ?, utc_timestamp(3), utc_timestamp(3))`,
        [key, status, lease],
      );
    /** A call of unknown outcome, due at once unless told otherwise. */
    const schedule = async ({
      afterMs = 0,
      status = 'UNKNOWN',
    }: { afterMs?: number | undefined; status?: string } = {}): Promise<string> => {
      const key = `key-${(keys += 1)}`;
      await insertCall(key, status);
      await store.schedule(checkOf(key, afterMs));
      return key;
    };
    const claimed = async (key: string): Promise<ClaimedCheck> => {
      const claim = await store.claimOne({ callName: 'charge', idempotencyKey: key }, { leaseMs: LEASE_MS, earlyMs: 1_000 });
      if (claim === undefined) throw new Error(`${key} was not claimed`);
      return claim;
    };

    it('gives back what it was given, byte by byte', async () => {
      const key = await schedule();
      expect(await store.claim(DUE)).toEqual([
        {
          callName: 'charge',
          idempotencyKey: key,
          listener: 'charge-payment',
          correlationId: 'correlation-1',
          message: messageOf(key),
          state: 'DUE',
          callStatus: 'UNKNOWN',
          checks: 0,
          claim: 1,
          unknownForMs: expect.any(Number),
          fence: expect.stringMatching(/^[0-9a-f-]{36}$/),
        },
      ]);
      expect(await store.find({ callName: 'charge', idempotencyKey: key })).toMatchObject({ state: 'DUE', message: messageOf(key) });
    });

    it('has one record per call, whose age goes on', async () => {
      const key = await schedule({ afterMs: 300_000 });
      const first = await rowOf(key);
      expect(await store.schedule(checkOf(key, 0))).toBe(false);
      expect(await rowOf(key)).toEqual(first);
      expect(await store.schedule(checkOf(key.toUpperCase(), 0))).toBe(true);
    });

    it('keeps one of a hundred concurrent schedulers', async () => {
      await insertCall('storm', 'UNKNOWN');
      const results = await Promise.all(Array.from({ length: 100 }, () => store.schedule(checkOf('storm', 0))));
      expect(results.filter(Boolean)).toHaveLength(1);
    });

    it('claims what is due, the longest due first, and nothing else', async () => {
      const [a, b] = [await schedule(), await schedule()];
      await execute('update status_check set next_check_at = utc_timestamp(3) - interval 1 minute where idempotency_key = ?', [b]);
      await schedule({ afterMs: 60_000 });
      await store.schedule({ ...checkOf('review', 0), afterMs: undefined });
      await store.schedule({ ...checkOf('foreign', 0), listener: 'another' });
      expect((await store.claim(DUE)).map(({ idempotencyKey }) => idempotencyKey)).toEqual([b, a]);
      expect(await store.claim(DUE)).toEqual([]);
      expect(await store.claim({ ...DUE, calls: [] })).toEqual([]);
    });

    it('counts what is overdue and belongs to others, unless somebody works on it', async () => {
      await store.schedule({ ...checkOf('foreign', 0), listener: 'another' });
      await schedule();
      expect(await store.overdueOfOthers(CALLS, 60_000)).toEqual([]);
      await execute('update status_check set next_check_at = utc_timestamp(3) - interval 2 minute');
      expect(await store.overdueOfOthers(CALLS, 60_000)).toEqual([{ listener: 'another', callName: 'charge', count: 1 }]);
      expect(await store.overdueOfOthers([], 60_000)).toHaveLength(2);
      await claimed('foreign');
      expect(await store.overdueOfOthers(CALLS, 60_000)).toEqual([]);
    });

    it('leaves to others what it does not claim itself, while it claims', async ({ skip }) => {
      skip(home.name === 'SQLite', 'one transaction writes at a time: others wait for it');
      const all = await Promise.all(Array.from({ length: 20 }, () => schedule()));
      const [isClaiming, mayCommit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const connection = other.em.getConnection();
      const transactional = connection.transactional.bind(connection);
      const slow = vi.spyOn(connection, 'transactional').mockImplementation((work, options) =>
        transactional(async (context) => {
          const result = await work(context);
          isClaiming.resolve();
          await mayCommit.promise;
          return result;
        }, options),
      );
      const first = mysqlStatusCheckStore(other).claim({ ...DUE, limit: 5 });
      slow.mockRestore();
      await isClaiming.promise;
      const second = await store.claim({ ...DUE, limit: 20 });
      mayCommit.resolve();
      expect(second).toHaveLength(15);
      const both = [...(await first), ...second].map(({ idempotencyKey }) => idempotencyKey);
      expect(both.sort()).toEqual([...all].sort());
    });

    it('forgets the body of the message when it is done', async () => {
      const key = await schedule();
      await store.move(await claimed(key), { to: 'DONE', outcome: 'FAIL' });
      expect((await store.find({ callName: 'charge', idempotencyKey: key }))!.message.body).toHaveLength(0);
    });

    it('claims one for a timer, a little early, and not twice', async () => {
      const key = await schedule({ afterMs: 60_000 });
      const ref = { callName: 'charge', idempotencyKey: key };
      const claim = (earlyMs: number) => store.claimOne(ref, { leaseMs: LEASE_MS, earlyMs });
      expect(await store.claim(DUE)).toEqual([]);
      expect(await claim(0)).toBeUndefined();
      expect(await claim(70_000)).toMatchObject({ idempotencyKey: key, claim: 1 });
      expect(await claim(70_000)).toBeUndefined();
      await endLeases();
      expect(await claim(70_000)).toMatchObject({ claim: 2 });
      expect(await store.claimOne({ ...ref, idempotencyKey: 'unheard of' }, { leaseMs: LEASE_MS, earlyMs: 0 })).toBeUndefined();
    });

    it('gives each record to one of two processes that claim side by side, neither waiting for the other', async () => {
      const all = await Promise.all(Array.from({ length: 60 }, () => schedule()));
      const second = mysqlStatusCheckStore(other);
      const [one, two] = await Promise.all(
        [store, second].map(async (from) => {
          const got: string[] = [];
          for (;;) {
            const chunk = await from.claim({ ...DUE, limit: 7 });
            if (chunk.length === 0) return got;
            got.push(...chunk.map(({ idempotencyKey }) => idempotencyKey));
          }
        }),
      );
      // An empty answer may mean that the other was looking at what is left.
      const rest = (await store.claim({ ...DUE, limit: 60 })).map(({ idempotencyKey }) => idempotencyKey);
      expect([...one!, ...two!, ...rest].sort()).toEqual([...all].sort());
    });

    it('skips what another transaction holds instead of waiting', async ({ skip }) => {
      skip(home.name === 'SQLite', 'one transaction writes at a time: others wait for it');
      const [held, free] = [await schedule(), await schedule()];
      await other.em.fork().transactional(async (em) => {
        await executeIn(em, "select id from status_check where call_name = 'charge' and idempotency_key = ? for update", [held]);
        expect((await store.claim(DUE)).map(({ idempotencyKey }) => idempotencyKey)).toEqual([free]);
      });
      expect((await store.claim(DUE)).map(({ idempotencyKey }) => idempotencyKey)).toEqual([held]);
    });

    it('lets the holder of the lease move a record, and nobody who has lost it', async () => {
      const key = await schedule();
      const late = await claimed(key);
      await endLeases();
      const holder = await claimed(key);
      const move: Move = { to: 'DUE', afterMs: 60_000, note: NOTE };
      expect(await store.move(late, move)).toBe(false);
      expect(await store.move(holder, move)).toBe(true);
      expect(await store.move(holder, move)).toBe(false);
      expect(await rowOf(key)).toMatchObject({
        state: 'DUE',
        checks: 1,
        claims: 2,
        last_said: 'NONE',
        last_error_code: 'CB_READ_TIMEOUT',
        lease_owner: null,
        lease_until: null,
      });
      expect(await store.claim(DUE)).toEqual([]);
    });

    it('keeps what the institution said last', async () => {
      const key = await schedule();
      for (const said of ['ABSENT', 'NONE', undefined] as const)
        await store.move(await claimed(key), { to: 'DUE', afterMs: 0, note: { isCounted: said !== undefined, said } });
      expect(await rowOf(key)).toMatchObject({ last_said: 'NONE', last_error_code: null, checks: 2 });
    });

    it('is as due as it was after a release', async () => {
      const key = await schedule();
      await store.release(await claimed(key));
      expect(await store.claim(DUE)).toMatchObject([{ idempotencyKey: key, checks: 0, claim: 2 }]);
    });

    const moves: Record<StatusCheckState, Move> = {
      DUE: { to: 'DUE', afterMs: 0, note: NOTE },
      RETRY: { to: 'RETRY', afterMs: 0, note: NOTE },
      REVIEW: { to: 'REVIEW', note: NOTE },
      DONE: { to: 'DONE', outcome: 'SUCCESS' },
    };
    const pairs = STATUS_CHECK_STATES.flatMap((from) => STATUS_CHECK_STATES.map((to) => [from, to] as const));

    it.each(pairs)('moves from %s to %s as the table says', async (from, to) => {
      const key = await schedule();
      const claim = await claimed(key);
      await execute('update status_check set state = ? where idempotency_key = ?', [from, key]);
      expect(await store.move(claim, moves[to])).toBe(canMove(from, to));
      expect((await rowOf(key))['state']).toBe(canMove(from, to) ? to : from);
    });

    it('makes a call UNKNOWN that is PENDING for ever when it goes before a person, and no call that is being made', async () => {
      const idle = await schedule({ status: 'PENDING' });
      const busy = await schedule({ status: 'PENDING' });
      await execute('update external_call set lease_owner = ? where idempotency_key = ?', ['someone', busy]);
      for (const key of [idle, busy]) await store.move(await claimed(key), { to: 'REVIEW', note: NOTE });
      expect((await callOf(idle))['status']).toBe('UNKNOWN');
      expect((await callOf(busy))['status']).toBe('PENDING');
    });

    it('ends with its call in one transaction, whoever holds the lease, and once', async () => {
      const key = await schedule();
      const ref = { callName: 'charge', idempotencyKey: key };
      await claimed(key);
      const settle = (by: string) =>
        calls.resolveUnknown('charge', key, 'SUCCESS', {
          apply: async (em) => {
            await takeEffect(em, key);
            await store.moveWithin(em, ref, { to: 'DONE', outcome: 'SUCCESS', person: { by, reason: 'statement' } });
          },
        });
      expect((await Promise.all(['ana', 'bo'].map(settle))).sort()).toEqual([false, true]);
      expect(await effectsOf(key)).toBe(1);
      expect(await rowOf(key)).toMatchObject({
        state: 'DONE',
        outcome: 'SUCCESS',
        decided_by: expect.stringMatching(/^(ana|bo)$/),
        decision_reason: 'statement',
        done_at: expect.anything(),
        lease_owner: null,
      });
    });

    it('goes before a person without a deadlock with somebody who is settling the call', async ({ skip }) => {
      skip(home.name === 'SQLite', 'there are no deadlocks where one transaction writes at a time');
      const key = await schedule();
      const claim = await claimed(key);
      let moving: Promise<boolean> | undefined;
      const transactions = vi.spyOn(orm.em.getConnection(), 'transactional');
      const apply = async (em: EntityManager): Promise<void> => {
        moving = store.move(claim, moves.REVIEW);
        // Of this database only: other tests share the server.
        const waiting = `select 1 from information_schema.innodb_trx t join information_schema.processlist p on p.id = t.trx_mysql_thread_id
        where p.db = database() and t.trx_state = 'LOCK WAIT' and t.trx_query like '%external_call%'`;
        // InnoDB shows what it has cached, and renews that only when nobody has looked for 100 ms.
        await vi.waitFor(async () => expect(await execute(waiting)).toHaveLength(1), { timeout: 20_000, interval: 350 });
        await store.moveWithin(em, claim, { to: 'DONE', outcome: 'SUCCESS' });
      };
      expect(await mysqlExternalCallStore(other).resolveUnknown('charge', key, 'SUCCESS', { apply })).toBe(true);
      expect(await moving).toBe(false);
      // A deadlock would have made it try again.
      expect(transactions).toHaveBeenCalledOnce();
      transactions.mockRestore();
      expect(await rowOf(key)).toMatchObject({ state: 'DONE' });
    });

    it('is rolled back with the transaction it was moved in', async () => {
      const key = await schedule();
      const apply = async (em: EntityManager): Promise<void> => {
        await store.moveWithin(em, { callName: 'charge', idempotencyKey: key }, { to: 'DONE', outcome: 'SUCCESS' });
        throw new Error('no');
      };
      await expect(calls.resolveUnknown('charge', key, 'SUCCESS', { apply })).rejects.toThrow('no');
      expect((await rowOf(key))['state']).toBe('DUE');
      expect((await callOf(key))['status']).toBe('UNKNOWN');
    });

    it('keeps the lease when a record is to be sent again', async () => {
      const key = await schedule();
      const claim = await claimed(key);
      const apply = (em: EntityManager) =>
        store.moveWithin(em, claim, { to: 'RETRY', afterMs: 0, note: { isCounted: true, said: 'ABSENT' } });
      await calls.resolveUnknown('charge', key, 'PENDING', { apply });
      expect(await rowOf(key)).toMatchObject({ state: 'RETRY', last_said: 'ABSENT', lease_owner: claim.fence });
      expect(await store.callStatus(claim)).toBe('PENDING');
      expect(await store.move(claim, moves.DUE)).toBe(true);
    });

    it('closes what is before a person and has been settled elsewhere', async () => {
      const [settled, open] = [await schedule(), await schedule()];
      for (const key of [settled, open]) await store.move(await claimed(key), moves.REVIEW);
      await execute("update external_call set status = 'FAIL' where idempotency_key = ?", [settled]);
      expect(await store.closeSettled()).toBe(1);
      expect(await rowOf(settled)).toMatchObject({ state: 'DONE', outcome: 'FAIL' });
      expect(await rowOf(open)).toMatchObject({ state: 'REVIEW' });
    });

    it('takes quotes and backslashes in names and messages for what they are', async () => {
      const key = `k'"\\\\?;--`;
      await insertCall(key, 'UNKNOWN');
      await store.schedule({ ...checkOf(key, 0), message: { ...messageOf(key), tag: `'?"`, properties: { a: `'?\\"` } } });
      expect(await claimed(key)).toMatchObject({ idempotencyKey: key, message: { tag: `'?"`, properties: { a: `'?\\"` } } });
    });

    describe('its report', () => {
      const aged = (key: string, minutes: number) =>
        execute('update status_check set unknown_since = utc_timestamp(3) - interval ? minute where idempotency_key = ?', [minutes, key]);

      it('is all zeros when nothing is unknown', async () => {
        expect(await report.summary()).toEqual({
          byState: { DUE: 0, RETRY: 0, REVIEW: 0, DONE: 0 },
          openByAge: [300_000, 3_600_000, 86_400_000, undefined].map((underMs) => ({ underMs, count: 0 })),
          overdue: 0,
          oldestMs: undefined,
        });
      });

      it('counts by state and by age, and what is overdue', async () => {
        const [young, retried, reviewed, done] = [await schedule(), await schedule(), await schedule(), await schedule()];
        await store.move(await claimed(retried), moves.RETRY);
        await store.move(await claimed(reviewed), moves.REVIEW);
        await store.move(await claimed(done), moves.DONE);
        for (const [key, minutes] of [
          [young, 1],
          [retried, 30],
          [reviewed, 3_000],
          [done, 9_000],
        ] as const)
          await aged(key, minutes);
        await execute('update status_check set next_check_at = utc_timestamp(3) - interval 2 minute where idempotency_key <> ?', [young]);
        const summary = await report.summary();
        expect(summary).toMatchObject({
          byState: { DUE: 1, RETRY: 1, REVIEW: 1, DONE: 1 },
          openByAge: [{ count: 1 }, { count: 1 }, { count: 0 }, { count: 1 }],
          overdue: 1,
        });
        expect(summary.oldestMs).toBeGreaterThanOrEqual(3_000 * 60_000);
      });

      it('pages through what waits for a person, without its message', async () => {
        const waiting: string[] = [];
        for (let nth = 0; nth < 5; nth += 1) {
          const key = await schedule();
          await store.move(await claimed(key), moves.REVIEW);
          waiting.push(key);
        }
        const seen: string[] = [];
        for (let after = 0; ;) {
          const page = await report.inReview({ after, limit: 2 });
          seen.push(...page.map(({ idempotencyKey }) => idempotencyKey));
          if (page.length < 2) break;
          after = page.at(-1)!.id;
        }
        expect(seen).toEqual(waiting);
        const [first] = await report.inReview();
        expect(first).toMatchObject({ checks: 1, lastSaid: 'NONE', lastErrorCode: 'CB_READ_TIMEOUT', unknownSince: expect.any(Date) });
        expect(Math.abs(first!.unknownSince.getTime() - Date.now())).toBeLessThan(600_000);
        expect(JSON.stringify(first)).not.toContain('canary');
        await expect(report.inReview({ limit: 0 })).rejects.toThrow(/^limit must be/);
      });
    });
  });
};

const messageOf = (key: string): ReceivedMessage => ({
  topic: 'orders',
  tag: 'placed',
  keys: [key, 'second'],
  properties: { 'checkback-correlation-id': 'correlation-1', name: 'žluť ✓' },
  body: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  messageId: '01AB',
  deliveryAttempt: 3,
  bornAt: new Date('2026-01-02T03:04:05.678Z'),
});

const checkOf = (key: string, afterMs: number) => ({
  callName: 'charge',
  idempotencyKey: key,
  listener: 'charge-payment',
  correlationId: 'correlation-1',
  message: { ...messageOf(key), properties: { ...messageOf(key).properties } },
  errorCode: 'CB_READ_TIMEOUT',
  afterMs,
});
