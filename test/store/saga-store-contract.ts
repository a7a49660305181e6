import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { InvalidMessageError, SagaConflictError, StepRejectedError } from '../../src/errors.ts';
import { defineExternalCall } from '../../src/gateway/external-call.ts';
import { type Gateway, createGateway } from '../../src/gateway/gateway.ts';
import { type AnySaga, defineSaga } from '../../src/saga/define-saga.ts';
import { sagaDecisions } from '../../src/saga/saga-decisions.ts';
import type { ClaimedSaga } from '../../src/saga/saga-instance.ts';
import { startSagaRunner } from '../../src/saga/saga-runner.ts';
import type { SagaChange, SagaStore } from '../../src/saga/saga-store.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { mysqlSagaStore } from '../../src/store/mysql-saga-store.ts';
import { startSaga, startingSaga } from '../../src/store/start-saga.ts';
import { executeIn } from '../support/execute-in.ts';
import type { OpenHome, StoreHome } from './store-home.ts';

const LEASE_MS = 60_000;
const PATIENCE = { timeout: 60_000, interval: 50 };
const TIMEOUTS = { connectMs: 10_000, writeMs: 10_000, readMs: 10_000, totalMs: 20_000 };
const ANNA = { by: 'anna', why: 'paid by hand' };

/** What every store of sagas does. */
export const describeSagaStore = (open: OpenHome): void => {
  describe('Saga store', () => {
    let home: StoreHome;
    let orm: MikroORM;
    let store: SagaStore;
    let bank: MockBank;
    let gateway: Gateway;

    beforeAll(async () => {
      home = await open();
      ({ orm } = home);
      await execute(`create table effect (id ${home.numbered}, name varchar(100) not null)`);
      store = mysqlSagaStore(orm);
      bank = await startMockBank();
      gateway = createGateway({ origins: { bank: bank.origin }, store: mysqlExternalCallStore(orm) });
    });
    beforeEach(async () => {
      for (const table of ['saga_instance', 'saga_step', 'saga_decision', 'external_call', 'effect']) await execute(`delete from ${table}`);
      bank.follow([]);
      bank.effects.clear();
    });
    afterAll(async () => {
      await gateway?.close();
      await bank?.close();
      await home?.close();
    });

    const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
    const names = async (): Promise<unknown[]> => (await execute('select name from effect order by id')).map(({ name }) => name);
    const effect =
      (name: string) =>
      async (em: EntityManager, { sagaId }: { sagaId: string }) => {
        await executeIn(em, 'insert into effect (name) values (?)', [`${sagaId} ${name}`]);
        return { name };
      };
    const start = (saga: AnySaga, id: string, input: unknown = {}): Promise<boolean> =>
      orm.em.fork().transactional((em) => startSaga(em as unknown as EntityManager, saga, { id, input, correlationId: 'c' }));
    const runner = (sagas: readonly AnySaga[]) =>
      startSagaRunner({ sagas, store: mysqlSagaStore(orm), gateway, calls: mysqlExternalCallStore(orm), pollMs: 20, leaseMs: 2_000 });
    const statusOf = async (id: string) => (await store.find(id))?.status;

    const simple = defineSaga({ name: 'simple' }).step({ name: 'a', action: effect('a') }) as AnySaga;
    const change = (_claimed: ClaimedSaga, to: Partial<SagaChange['to']>, more: Partial<SagaChange> = {}): SagaChange => ({
      step: {
        step: 0,
        name: 'a',
        direction: 'action',
        status: 'DONE',
        failures: 0,
        round: 1,
        asked: 0,
        result: '{"n":1}',
        error: undefined,
      },
      to: { status: 'COMPLETED', step: 0, direction: 'action', error: undefined, afterMs: undefined, ...to },
      ...more,
    });
    const claimed = async (id = 's-1'): Promise<ClaimedSaga> => {
      await start(simple, id);
      const [claim] = await store.claim([simple], 1, LEASE_MS);
      await store.begin(claim!, { step: 0, name: 'a', direction: 'action' }, LEASE_MS);
      return claim!;
    };

    describe('startSaga', () => {
      it('starts with the caller’s transaction or not at all', async () => {
        const failing = orm.em.fork().transactional(async (em) => {
          await startSaga(em as unknown as EntityManager, simple, { id: 's-1', input: {}, correlationId: 'c' });
          throw new Error('the order is not taken');
        });
        await expect(failing).rejects.toThrow('the order is not taken');
        expect(await store.find('s-1')).toBeUndefined();
        expect(await start(simple, 's-1')).toBe(true);
        expect(await store.find('s-1')).toMatchObject({ status: 'RUNNING', step: 0, direction: 'action', correlationId: 'c', steps: [] });
      });

      it('is the same saga for the same id and input, whatever the order of its keys, and another for no other', async () => {
        expect(await start(simple, 's-1', { a: 1, b: { c: 2, d: 3 } })).toBe(true);
        expect(await start(simple, 's-1', { b: { d: 3, c: 2 }, a: 1 })).toBe(false);
        await expect(start(simple, 's-1', { a: 2 })).rejects.toThrow(SagaConflictError);
        const other = defineSaga({ name: 'other' }).step({ name: 'a', action: () => {} }) as AnySaga;
        await expect(start(other, 's-1', { a: 1, b: { c: 2, d: 3 } })).rejects.toThrow(/taken by saga "simple"/);
        expect(await start(simple, 'S-1', {})).toBe(true);
      });

      it('starts once for many concurrent deliveries of one message', async () => {
        const handle = startingSaga(simple, ({ payload }: { payload: { id: string } }) => ({ id: payload.id, input: payload }));
        const message = { payload: { id: 's-1' }, correlationId: 'c', properties: {} } as never;
        await Promise.all(
          Array.from({ length: 8 }, () => orm.em.fork().transactional((em) => handle(em as unknown as EntityManager, message))),
        );
        expect(await store.countByStatus()).toMatchObject({ RUNNING: 1 });
      });

      it('refuses ids, correlation ids and inputs that cannot be carried, writing nothing', async () => {
        const circular: Record<string, unknown> = {};
        circular['self'] = circular;
        for (const [id, input] of [
          ['has space', {}],
          ['x'.repeat(65), {}],
          ['s', () => {}],
          ['s', circular],
        ] as const)
          await expect(start(simple, id, input)).rejects.toThrow(InvalidMessageError);
        await expect(start(simple, 's', 'x'.repeat(1024 * 1024))).rejects.toThrow(/longer than/);
        expect(await execute('select id from saga_instance')).toEqual([]);
      });
    });

    it('gives each due instance to one of many callers, and none that is leased, waiting or unknown', async () => {
      for (let n = 0; n < 40; n += 1) await start(simple, `s-${n}`);
      const claims = await Promise.all(Array.from({ length: 8 }, () => store.claim([simple], 5, LEASE_MS)));
      const ids = claims.flat().map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      const rest = await store.claim([simple], 100, LEASE_MS);
      expect(new Set([...ids, ...rest.map(({ id }) => id)]).size).toBe(40);
      expect(await store.claim([simple], 100, LEASE_MS)).toEqual([]);
      await start(simple, 'later');
      expect(
        await store.claim(
          [
            { ...simple, version: 2 },
            { ...simple, fingerprint: 'x' },
          ],
          100,
          LEASE_MS,
        ),
      ).toEqual([]);
      expect(await store.unknownDefinitions([{ name: 'simple', version: 2, fingerprint: simple.fingerprint }])).toEqual([
        { name: 'simple', version: 1, fingerprint: simple.fingerprint, instances: 1 },
      ]);
      expect(await store.unknownDefinitions([simple])).toEqual([]);
    });

    it('takes an instance away when its lease has ended: the one before it writes nothing any more', async () => {
      const stale = await claimed();
      await execute('update saga_instance set next_run_at = utc_timestamp(3) - interval 1 second');
      const [fresh] = await store.claim([simple], 1, LEASE_MS);
      expect(fresh).toMatchObject({ id: 's-1', steps: [{ status: 'RUNNING', attempts: 1 }] });
      expect(await store.record(stale, change(stale, {}))).toBe('lost');
      expect(await store.begin(stale, { step: 0, name: 'a', direction: 'action' }, LEASE_MS)).toBeUndefined();
      expect(await store.recordWith(stale, () => Promise.reject(new Error('must not run')))).toBe('lost');
      expect(await store.reload(stale)).toBeUndefined();
      await store.release(stale);
      expect(await store.reload(fresh!)).toBeDefined();
      expect(await store.record(fresh!, change(fresh!, {}))).toBe('recorded');
      expect(await store.record(fresh!, change(fresh!, {}))).toBe('lost');
      expect(await store.find('s-1')).toMatchObject({ status: 'COMPLETED', revision: 1, steps: [{ status: 'DONE', result: '{"n":1}' }] });
    });

    it('keeps the result of a call whose saga has moved on meanwhile', async () => {
      const stale = await claimed();
      await execute(`update saga_instance set lease_owner = 'another'`);
      const inTransaction = orm.em.fork().transactional((em) => store.record(stale, change(stale, {}), em as unknown as EntityManager));
      expect(await inTransaction).toBe('lost');
      expect(await store.find('s-1')).toMatchObject({ status: 'RUNNING', revision: 0, steps: [{ status: 'RUNNING', result: '{"n":1}' }] });
    });

    it('records a step and its effect together or not at all', async () => {
      const claim = await claimed();
      const failing = store.recordWith(claim, async (em) => {
        await effect('a')(em, { sagaId: 's-1' });
        throw new Error('after its write');
      });
      await expect(failing).rejects.toThrow('after its write');
      expect(await names()).toEqual([]);
      await store.recordWith(claim, async (em) => {
        await effect('a')(em, { sagaId: 's-1' });
        return change(claim, {});
      });
      expect(await names()).toEqual(['s-1 a']);
      expect(await statusOf('s-1')).toBe('COMPLETED');
    });

    it('gives up a call that nobody makes, so that nobody can make it any more; not one in progress', async () => {
      const claim = await claimed();
      const giveUp = { callName: 'charge', key: 's-1:a' };
      const open = () =>
        mysqlExternalCallStore(orm).open(
          {
            callName: 'charge',
            idempotencyKey: 's-1:a',
            correlationId: 'c',
            origin: 'bank',
            method: 'POST',
            path: '/',
            headers: '[]',
            body: undefined,
            openedAt: new Date(),
          },
          LEASE_MS,
        );
      await open();
      const failed = change(claim, { status: 'COMPENSATED' }, { giveUp });
      expect(await store.record(claim, failed)).toBe('in-progress');
      expect(await store.find('s-1')).toMatchObject({ status: 'RUNNING', revision: 0 });
      await execute('delete from external_call');
      expect(await store.record(claim, failed)).toBe('recorded');
      expect(await open()).toMatchObject({ kind: 'recorded', status: 'FAIL' });
    });

    it('undoes a given-up call together with its change when the instance has moved on', async () => {
      const claim = await claimed();
      await execute(`update saga_instance set lease_owner = 'another'`);
      expect(await store.record(claim, change(claim, { status: 'COMPENSATED' }, { giveUp: { callName: 'charge', key: 's-1:a' } }))).toBe(
        'lost',
      );
      expect(await execute('select id from external_call')).toEqual([]);
    });

    it('remembers since when an outcome is unknown, and when an instance is due again', async () => {
      const claim = await claimed();
      const unknown = change(claim, { status: 'RUNNING', afterMs: 300_000 });
      await store.record(claim, { ...unknown, step: { ...unknown.step, status: 'UNKNOWN', result: undefined } });
      expect(await store.claim([simple], 1, LEASE_MS)).toEqual([]);
      await execute('update saga_instance set next_run_at = utc_timestamp(3); ');
      await execute('update saga_step set unknown_since = unknown_since - interval 90 second');
      const [again] = await store.claim([simple], 1, LEASE_MS);
      expect(again!.steps[0]!.unknownForMs).toBeGreaterThanOrEqual(90_000);
      expect(await store.begin(again!, { step: 0, name: 'a', direction: 'action' }, LEASE_MS)).toBe(2);
      expect((await store.find('s-1'))?.steps[0]?.status).toBe('UNKNOWN');
      await store.record(again!, { ...unknown, step: { ...unknown.step, status: 'UNKNOWN', asked: 1, result: undefined } });
      const [asked] = (await store.find('s-1'))!.steps;
      expect(asked).toMatchObject({ status: 'UNKNOWN', asked: 1 });
      expect(asked!.unknownForMs).toBeGreaterThanOrEqual(90_000);
    });

    describe('with runners and a bank', () => {
      const call = (name: string) =>
        defineExternalCall<string, { paymentId: string }>({
          name,
          origin: 'bank',
          method: 'POST',
          path: '/payments',
          body: (orderId) => ({ orderId, amountMinor: 1, currency: 'EUR' }),
          timeouts: TIMEOUTS,
          statusCheck: {
            afterMs: 20,
            maxDelayMs: 100,
            path: (_input, key) => `/payments/${encodeURIComponent(key)}`,
            interpret: ({ httpStatus, response }) =>
              httpStatus === 404
                ? { status: 'ABSENT' }
                : httpStatus === 200
                  ? { status: 'SUCCESS', response: response as { paymentId: string } }
                  : undefined,
          },
        });
      const retry = { maxAttempts: 3, baseMs: 10, maxMs: 50 };
      const pick = ({ paymentId }: { paymentId: string }) => ({ paymentId });
      const trip = defineSaga<{ readonly to: string }>({ name: 'trip' })
        .step({ name: 'reserve', action: effect('reserve'), compensation: effect('release'), retry })
        .step({
          name: 'charge',
          action: { call: call('charge'), input: ({ sagaId }) => sagaId, result: pick },
          compensation: { call: call('refund'), input: ({ results }) => `refund of ${results.charge.paymentId}` },
          retry,
        })
        .step({
          name: 'book',
          action: async (em, { input, sagaId, results }) => {
            if (input.to === 'nowhere') throw new StepRejectedError('there is no such place');
            await effect(`book ${input.to} on ${results.charge.paymentId}`)(em, { sagaId });
          },
          retry,
        }) as AnySaga;

      it('two of them bring many sagas to their ends, each effect once and in its order', async () => {
        // Each key at most once: a refund that fails again and again is parked, which is another story.
        const failed = new Set<string>();
        bank.follow((request, nth) => {
          const isToFail = nth % 7 === 0 || nth % 5 === 0;
          if (request.method !== 'POST' || !isToFail || failed.has(request.idempotencyKey)) return undefined;
          failed.add(request.idempotencyKey);
          return nth % 7 === 0 ? { kind: 'reset', when: 'after-body' } : { kind: 'unavailable' };
        });
        const ids = Array.from({ length: 30 }, (_, n) => `trip-${n}`);
        for (const [n, id] of ids.entries()) await start(trip, id, { to: n % 3 === 0 ? 'nowhere' : 'Rome' });
        const runners = [runner([trip]), runner([trip])];
        try {
          await expect.poll(() => store.countByStatus(), PATIENCE).toMatchObject({ RUNNING: 0, COMPENSATING: 0 });
        } finally {
          await Promise.all(runners.map((one) => one.close()));
        }
        const effects = (await names()) as string[];
        for (const [n, id] of ids.entries()) {
          const gaveUp = (await statusOf(id)) === 'COMPENSATED' && n % 3 !== 0;
          const charged = bank.effects.get(`${id}:charge`) ?? 0;
          const refunded = bank.effects.get(`${id}:charge:compensation`) ?? 0;
          const local = effects.filter((name) => name.startsWith(`${id} `)).map((name) => name.slice(id.length + 1));
          const isBack = n % 3 === 0 || gaveUp;
          // A step given up because nobody answered is a way back as good as a refusal.
          expect([id, isBack ? charged - refunded : charged, isBack || refunded === 0, local]).toEqual([
            id,
            isBack ? 0 : 1,
            true,
            isBack ? ['reserve', 'release'] : ['reserve', `book Rome on pay-${id}:charge`],
          ]);
          expect(charged).toBeLessThanOrEqual(1);
        }
      });

      it('a saga parked at a refused refund is listed, shown, and goes on when a person says it was made', async () => {
        bank.follow((request) =>
          request.method === 'POST' ? { kind: request.idempotencyKey.includes('compensation') ? 'reject' : 'ok' } : undefined,
        );
        await start(trip, 'trip-1', { to: 'nowhere' });
        const one = runner([trip]);
        try {
          await expect.poll(() => statusOf('trip-1'), PATIENCE).toBe('PARKED');
          expect(await store.list('PARKED')).toMatchObject([
            { id: 'trip-1', saga: 'trip', stepName: 'charge', direction: 'compensation', correlationId: 'c', createdAt: expect.any(Date) },
          ]);
          expect((await store.find('trip-1'))?.steps.map(({ name, direction, status }) => `${name} ${direction} ${status}`)).toEqual([
            'reserve action DONE',
            'charge action DONE',
            'charge compensation FAILED',
            'book action FAILED',
          ]);
          const decided = await sagaDecisions(store, [trip]).resume('trip-1', { outcome: 'DONE', ...ANNA });
          expect(decided.status).toBe('PARKED');
          await expect.poll(() => statusOf('trip-1'), PATIENCE).toBe('COMPENSATED');
        } finally {
          await one.close();
        }
        expect((await store.find('trip-1'))?.decisions).toEqual([{ kind: 'resume', ...ANNA, at: expect.any(Date) }]);
        expect(await names()).toEqual(['trip-1 reserve', 'trip-1 release']);
        expect(Math.abs((await store.find('trip-1'))!.decisions[0]!.at.getTime() - Date.now())).toBeLessThan(60_000);
      });
    });
  });
};
