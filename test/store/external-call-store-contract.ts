import { hash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExternalCallStore, OpenedAttempt, RequestRecord, ResponseSnapshot } from '../../src/gateway/external-call-store.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { ENGINE_ENTITIES } from '../../schema/engine.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { executeIn } from '../support/execute-in.ts';
import type { OpenHome, StoreHome } from './store-home.ts';

const LEASE_MS = 60_000;

/** What every store of external calls does. */
export const describeExternalCallStore = (open: OpenHome): void => {
  describe('External call store', () => {
    let home: StoreHome;
    let orm: MikroORM;
    let store: ExternalCallStore;
    let keys = 0;

    beforeAll(async () => {
      home = await open();
      ({ orm } = home);
      await execute(`create table effect (id ${home.numbered}, call_key varchar(64) not null)`);
      store = mysqlExternalCallStore(orm);
    });

    afterAll(async () => {
      await home?.close();
    });

    const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
    const freshKey = (): string => `key-${(keys += 1)}`;
    const rowOf = async (key: string): Promise<Record<string, unknown> | undefined> =>
      (await execute('select * from external_call where idempotency_key = ?', [key]))[0];
    const effectsOf = async (key: string): Promise<number> =>
      Number((await execute('select count(*) as n from effect where call_key = ?', [key]))[0]?.['n']);
    const takeEffect = (key: string) => async (em: EntityManager) =>
      void (await executeIn(em, 'insert into effect (call_key) values (?)', [key]));
    const endLease = (key: string) =>
      execute('update external_call set lease_until = utc_timestamp(3) - interval 1 second where idempotency_key = ?', [key]);

    const opened = async (key: string): Promise<OpenedAttempt> => {
      const result = await store.open(requestFor(key), LEASE_MS);
      if (result.kind !== 'opened') throw new Error(`expected an opened attempt, got ${result.kind}`);
      return result;
    };

    it('opens a new call with its request record', async () => {
      const key = freshKey();
      expect(await store.open(requestFor(key), LEASE_MS)).toMatchObject({ kind: 'opened', attempt: 1 });

      expect(await rowOf(key)).toMatchObject({ status: 'PENDING', attempts: 1 });
      const [record] = await execute(
        'select a.* from external_call_attempt a join external_call c on c.id = a.call_id where idempotency_key = ?',
        [key],
      );
      expect(record).toMatchObject({
        attempt: 1,
        path: '/payments',
        method: 'POST',
        body: BODY,
        body_state: 'RAW',
        body_bytes: BODY.length,
        body_sha256: SHA256,
        opened_at: home.stored(new Date('2026-01-02T03:04:05.678Z')),
      });
    });

    it('tells keys apart by case', async () => {
      const key = freshKey();
      await opened(`${key}-a`);
      expect(await store.open(requestFor(`${key}-A`), LEASE_MS)).toMatchObject({ kind: 'opened', attempt: 1 });
    });

    it('takes quotes and backslashes in a key for what they are', async () => {
      const key = `${freshKey()}'"\\\\?;--`;
      await opened(key);
      expect(await rowOf(key)).toMatchObject({ idempotency_key: key });
    });

    it('opens one of many concurrent callers of a key', async () => {
      for (let round = 0; round < 20; round += 1) {
        const key = freshKey();
        const results = await Promise.all(Array.from({ length: 8 }, () => store.open(requestFor(key), LEASE_MS)));
        expect(results.map(({ kind }) => kind).sort()).toEqual([...Array<string>(7).fill('in-flight'), 'opened']);
        expect(await rowOf(key)).toMatchObject({ attempts: 1 });
      }
    });

    it('records success, its snapshot and its effect together', async () => {
      const key = freshKey();
      const attempt = await opened(key);
      expect(await store.close(attempt, answered, 'SUCCESS', { apply: takeEffect(key) })).toEqual({ kind: 'closed' });

      expect(await rowOf(key)).toMatchObject({ status: 'SUCCESS', http_status: 201, lease_owner: null, lease_until: null });
      expect(await effectsOf(key)).toBe(1);
      expect(await store.open(requestFor(key), LEASE_MS)).toEqual({
        kind: 'recorded',
        status: 'SUCCESS',
        attempts: 1,
        errorCode: undefined,
        httpStatus: 201,
        contentType: 'application/json',
        body: BODY,
      });
    });

    it('takes effect once when the answer to a close was lost and it is closed again', async () => {
      const key = freshKey();
      const attempt = await opened(key);
      const options = { apply: takeEffect(key) };
      await store.close(attempt, answered, 'SUCCESS', options);

      expect(await store.close(attempt, answered, 'SUCCESS', options)).toEqual({ kind: 'closed' });
      expect(await effectsOf(key)).toBe(1);
    });

    it('makes a call UNKNOWN whose worker died between request and response', async () => {
      const key = freshKey();
      await opened(key);
      await endLease(key);

      expect(await store.open(requestFor(key), LEASE_MS)).toMatchObject({ kind: 'recorded', status: 'UNKNOWN', httpStatus: undefined });
      expect(await rowOf(key)).toMatchObject({ status: 'UNKNOWN', attempts: 1, last_error_code: 'CB_UNKNOWN_OUTCOME' });
    });

    it('lets a worker that lost its lease leave evidence and nothing else', async () => {
      const key = freshKey();
      const attempt = await opened(key);
      await endLease(key);
      await store.open(requestFor(key), LEASE_MS);

      expect(await store.close(attempt, answered, 'SUCCESS', { apply: takeEffect(key) })).toEqual({ kind: 'lease-lost' });
      expect(await store.close(attempt, answered, 'SUCCESS', { apply: takeEffect(key) })).toEqual({ kind: 'lease-lost' });
      expect(await rowOf(key)).toMatchObject({ status: 'UNKNOWN' });
      expect(await effectsOf(key)).toBe(0);
      expect(await execute('select status from external_call_response where call_id = ?', [attempt.callId])).toEqual([
        { status: 'SUCCESS' },
      ]);
    });

    it('lets a lease that ran out be closed as long as nobody noticed', async () => {
      const key = freshKey();
      const attempt = await opened(key);
      await endLease(key);
      expect(await store.close(attempt, answered, 'SUCCESS', {})).toEqual({ kind: 'closed' });
    });

    it('undoes an apply that throws, keeps the evidence, and makes the call UNKNOWN', async () => {
      const key = freshKey();
      const attempt = await opened(key);
      const broken = new Error('no such order');
      const apply = async (em: EntityManager): Promise<void> => {
        await takeEffect(key)(em);
        throw broken;
      };

      expect(await store.close(attempt, answered, 'SUCCESS', { apply })).toEqual({ kind: 'apply-failed', error: broken });
      expect(await effectsOf(key)).toBe(0);
      expect(await rowOf(key)).toMatchObject({ status: 'UNKNOWN' });
      expect(await execute('select status, http_status from external_call_response where call_id = ?', [attempt.callId])).toEqual([
        { status: 'UNKNOWN', http_status: 201 },
      ]);
    });

    it('takes a duplicate key of apply for a failure of apply, not for a close that was done before', async () => {
      const key = freshKey();
      const attempt = await opened(key);
      const apply = async (em: EntityManager) =>
        void (await executeIn(em, 'insert into external_call select * from external_call where id = ?', [attempt.callId]));
      expect(await store.close(attempt, answered, 'SUCCESS', { apply })).toMatchObject({ kind: 'apply-failed' });
    });

    it('opens another attempt after one that had no effect, not before Retry-After', async () => {
      const key = freshKey();
      await store.close(await opened(key), refused, 'PENDING', { notBeforeMs: 30_000 });

      const early = await store.open(requestFor(key), LEASE_MS);
      expect(early).toMatchObject({ kind: 'not-before', attempts: 1 });
      expect(early.kind === 'not-before' && early.retryAfterMs).toBeGreaterThan(20_000);

      await execute('update external_call set not_before = utc_timestamp(3) where idempotency_key = ?', [key]);
      expect(await store.open(requestFor(key), LEASE_MS)).toMatchObject({ kind: 'opened', attempt: 2 });
    });

    it('moves an UNKNOWN call on once, and applies once', async () => {
      const key = freshKey();
      await store.close(await opened(key), silent, 'UNKNOWN', {});

      const settled = await Promise.all([1, 2].map(() => store.resolveUnknown('pay-order', key, 'SUCCESS', { apply: takeEffect(key) })));
      expect(settled.sort()).toEqual([false, true]);
      expect(await effectsOf(key)).toBe(1);
      expect(await store.open(requestFor(key), LEASE_MS)).toMatchObject({
        kind: 'recorded',
        status: 'SUCCESS',
        httpStatus: undefined,
        body: undefined,
      });
    });

    it('opens an attempt after a status check found nothing, even for one that left no snapshot', async () => {
      const key = freshKey();
      await opened(key);
      await endLease(key);
      await store.open(requestFor(key), LEASE_MS);
      expect(await store.resolveUnknown('pay-order', key, 'PENDING')).toBe(true);
      expect(await store.open(requestFor(key), LEASE_MS)).toMatchObject({ kind: 'opened', attempt: 2 });
    });

    it('changes nothing when a settlement does not apply', async () => {
      const key = freshKey();
      await store.close(await opened(key), silent, 'UNKNOWN', {});
      await expect(store.resolveUnknown('pay-order', key, 'FAIL', { apply: () => Promise.reject(new Error('no')) })).rejects.toThrow('no');
      expect(await rowOf(key)).toMatchObject({ status: 'UNKNOWN' });
    });

    it('keeps every byte as it came', async () => {
      const key = freshKey();
      const attempt = await opened(key);
      const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const bytes = Buffer.concat(Array<Buffer>(4096).fill(every));
      await store.close(attempt, { ...answered, body: { state: 'RAW', bytes, rawBytes: bytes.length, sha256: SHA256 } }, 'UNKNOWN', {});
      const [row] = await execute('select body, closed_at from external_call_response where call_id = ?', [attempt.callId]);
      expect(bytes.equals(row?.['body'] as Buffer)).toBe(true);
    });

    it('opens and closes many at once, each with its own rows', async () => {
      const wanted = Array.from({ length: 100 }, freshKey);
      const attempts = await Promise.all(wanted.map(opened));
      expect(new Set(attempts.map(({ callId }) => callId)).size).toBe(100);
      const ends = ['SUCCESS', 'FAIL', 'UNKNOWN', 'PENDING'] as const;
      const bodyOf = (index: number): Buffer => Buffer.from(`body of ${wanted[index]}`);
      const closed = await Promise.all(
        attempts.map((attempt, index) =>
          store.close(
            attempt,
            { ...answered, httpStatus: 200 + (index % 3), body: { state: 'RAW', bytes: bodyOf(index), rawBytes: 1, sha256: SHA256 } },
            ends[index % 4]!,
            index % 8 === 3 ? { notBeforeMs: 60_000 } : {},
          ),
        ),
      );
      expect(new Set(closed.map(({ kind }) => kind))).toEqual(new Set(['closed']));
      const rows = await execute(
        `select c.idempotency_key, c.status, c.http_status, c.attempts, c.lease_owner, c.not_before is null as is_free, r.body, r.status as said
       from external_call c join external_call_attempt a on a.call_id = c.id join external_call_response r on r.call_id = c.id
       where c.idempotency_key in (?)`,
        [wanted],
      );
      const byKey = new Map(rows.map((row) => [row['idempotency_key'], row]));
      expect(rows).toHaveLength(100);
      wanted.forEach((key, index) => {
        expect(byKey.get(key)).toMatchObject({
          status: ends[index % 4],
          said: ends[index % 4],
          http_status: 200 + (index % 3),
          attempts: 1,
          lease_owner: null,
          is_free: index % 8 === 3 ? 0 : 1,
          body: bodyOf(index),
        });
      });
    });

    it('opens one of many concurrent callers of each key, over two processes, among calls that are on record', async () => {
      const other = await home.another();
      try {
        const stores = [store, mysqlExternalCallStore(other)];
        const known = Array.from({ length: 10 }, freshKey);
        for (const key of known) await store.close(await opened(key), refused, 'PENDING', {});
        const wanted = [...Array.from({ length: 40 }, freshKey), ...known];
        const asked = wanted.flatMap((key) => stores.flatMap((own) => [1, 2].map(() => ({ key, own })))).sort(() => Math.random() - 0.5);
        const results = await Promise.all(
          asked.map(async ({ key, own }) => ({ key, kind: (await own.open(requestFor(key), LEASE_MS)).kind })),
        );
        for (const [, each] of Map.groupBy(results, ({ key }) => key))
          expect(each.map(({ kind }) => kind).sort()).toEqual(['in-flight', 'in-flight', 'in-flight', 'opened']);
        const [{ doubled } = {}] = await execute(
          `select count(*) as doubled from external_call c where c.idempotency_key in (?)
         and c.attempts <> (select count(*) from external_call_attempt a where a.call_id = c.id)`,
          [wanted],
        );
        expect(doubled).toBe(0);
      } finally {
        await other.close(true);
      }
    });

    it.for([
      ['lost its lease', 'lease-lost', 'UNKNOWN'],
      ['cannot be stored', 'rejected', 'PENDING'],
    ])('lets one that %s harm nobody who closes with it', async ([what, end, status], { skip }) => {
      skip(end === 'rejected' && home.name === 'SQLite', 'SQLite stores a text of any length');
      const wanted = Array.from({ length: 20 }, freshKey);
      const attempts = await Promise.all(wanted.map(opened));
      const isLost = end === 'lease-lost';
      if (isLost) await endLease(wanted[7]!);
      if (isLost) await store.open(requestFor(wanted[7]!), LEASE_MS);
      const closed = await Promise.allSettled(
        attempts.map((attempt, index) =>
          store.close(attempt, { ...answered, ...(index === 7 && !isLost && { remoteAddress: String(what).repeat(10) }) }, 'SUCCESS', {}),
        ),
      );
      expect(closed.map((each) => (each.status === 'fulfilled' ? each.value.kind : 'rejected'))).toEqual(
        wanted.map((_, index) => (index === 7 ? end : 'closed')),
      );
      const rows = await execute('select idempotency_key, status from external_call where idempotency_key in (?) order by id', [wanted]);
      const statusOf = new Map(rows.map((row) => [row['idempotency_key'], row['status']]));
      expect(wanted.map((key) => statusOf.get(key))).toEqual(wanted.map((_, index) => (index === 7 ? status : 'SUCCESS')));
    });

    it('lets a row that somebody else holds keep nobody waiting but its own callers', async ({ skip }) => {
      skip(home.name === 'SQLite', 'one transaction at a time holds everything');
      const [held, ...free] = Array.from({ length: 20 }, freshKey) as [string, ...string[]];
      let stuck: Promise<unknown> | undefined;
      await orm.em.fork().transactional(async (em) => {
        await executeIn(
          em,
          `insert into external_call (call_name, idempotency_key, correlation_id, created_at, updated_at)
         values ('pay-order', ?, 'c', utc_timestamp(3), utc_timestamp(3))`,
          [held],
        );
        const before = free.splice(0, 4).map((key) => store.open(requestFor(key), LEASE_MS));
        stuck = store.open(requestFor(held), LEASE_MS);
        const others = await Promise.all([...before, ...free.map((key) => store.open(requestFor(key), LEASE_MS))]);
        expect(new Set(others.map(({ kind }) => kind))).toEqual(new Set(['opened']));
      });
      expect(await stuck).toMatchObject({ kind: 'opened' });
    });

    it('needs neither UPDATE nor DELETE on the evidence', async ({ skip }) => {
      skip(home.name === 'SQLite', 'there are no accounts');
      const { user, drop } = await restrictedUser(home.url, orm);
      const restricted = await openOrm({ url: user, entities: ENGINE_ENTITIES });
      try {
        const own = mysqlExternalCallStore(restricted);
        const key = freshKey();
        const first = (await own.open(requestFor(key), LEASE_MS)) as OpenedAttempt;
        await own.close(first, refused, 'PENDING', {});
        const second = (await own.open(requestFor(key), LEASE_MS)) as OpenedAttempt;
        await own.close(second, silent, 'UNKNOWN', {});
        await own.open(requestFor(key), LEASE_MS);
        await own.resolveUnknown('pay-order', key, 'SUCCESS', { apply: takeEffect(key) });
        const many = await Promise.all(
          Array.from({ length: 30 }, () => own.open(requestFor(freshKey()), LEASE_MS) as Promise<OpenedAttempt>),
        );
        const closed = await Promise.all(many.map((attempt) => own.close(attempt, answered, 'SUCCESS', {})));
        expect(new Set(closed.map(({ kind }) => kind))).toEqual(new Set(['closed']));
        expect(await rowOf(key)).toMatchObject({ status: 'SUCCESS', attempts: 2 });

        for (const table of ['external_call_attempt', 'external_call_response']) {
          await expect(restricted.em.getConnection().execute(`delete from ${table}`)).rejects.toMatchObject({ errno: 1142 });
          await expect(restricted.em.getConnection().execute(`update ${table} set attempt = 9`)).rejects.toMatchObject({ errno: 1142 });
        }
      } finally {
        await restricted.close(true);
        await drop();
      }
    });
  });
};

const BODY = Buffer.from('{"orderId":"order-1"}');
const SHA256 = hash('sha256', BODY, 'buffer');

const requestFor = (idempotencyKey: string): RequestRecord => ({
  callName: 'pay-order',
  idempotencyKey,
  correlationId: 'correlation-1',
  origin: 'bank',
  method: 'POST',
  path: '/payments',
  headers: '[["content-type","application/json"]]',
  body: { state: 'RAW', bytes: BODY, rawBytes: BODY.length, sha256: SHA256 },
  openedAt: new Date('2026-01-02T03:04:05.678Z'),
});

const silent: ResponseSnapshot = {
  httpStatus: undefined,
  headers: undefined,
  body: undefined,
  isTruncated: false,
  failedPhase: 'read',
  times: { connectMs: 1.25, writeMs: 0.5, headersMs: 300, bodyMs: undefined, totalMs: 301.75 },
  remoteAddress: '127.0.0.1',
  errorCode: 'CB_READ_TIMEOUT',
  errorChain: '[]',
  closedAt: new Date('2026-01-02T03:04:06.789Z'),
};
const refused: ResponseSnapshot = {
  ...silent,
  httpStatus: 503,
  headers: '[["retry-after","30"]]',
  failedPhase: undefined,
  errorCode: 'CB_CALL_UNAVAILABLE',
};
const answered: ResponseSnapshot = {
  ...silent,
  httpStatus: 201,
  headers: '[["content-type","application/json"]]',
  body: { state: 'RAW', bytes: BODY, rawBytes: BODY.length, sha256: SHA256 },
  failedPhase: undefined,
  errorCode: undefined,
  errorChain: undefined,
};

/** An account with the rights an application needs and no more. */
async function restrictedUser(url: string, orm: MikroORM): Promise<{ user: string; drop(): Promise<void> }> {
  const { host, pathname } = new URL(url);
  const name = `cb_${Math.random().toString(36).slice(2, 10)}`;
  const schema = pathname.slice(1);
  const run = (sql: string): Promise<unknown> => orm.em.getConnection().execute(sql);
  await run(`create user '${name}'@'%' identified by 'canary'`);
  await run(`grant select, insert, update on \`${schema}\`.external_call to '${name}'@'%'`);
  for (const table of ['external_call_attempt', 'external_call_response', 'effect'])
    await run(`grant select, insert on \`${schema}\`.${table} to '${name}'@'%'`);
  return { user: `mysql://${name}:canary@${host}${pathname}`, drop: async () => void (await run(`drop user '${name}'@'%'`)) };
}
