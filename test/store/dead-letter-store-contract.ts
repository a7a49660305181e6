import { createHash } from 'node:crypto';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Death } from '../../src/dead-letter/dead-letter.ts';
import type { DeadLetterFilter, DeadLetterStore, ReplayClaim } from '../../src/dead-letter/dead-letter-store.ts';
import { replayDeadLetter } from '../../src/dead-letter/replay.ts';
import { mysqlFindCall } from '../../src/store/find-external-call.ts';
import { mysqlDeadLetterStore } from '../../src/store/mysql-dead-letter-store.ts';
import { ENGINE_ENTITIES } from '../../schema/engine.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import type { OpenHome, StoreHome } from './store-home.ts';

const LEASE_MS = 60_000;
const ADA = { by: 'ada', reason: 'the bank is back' };

/** What every store of dead letters does, and what finds their calls. */
export const describeDeadLetterStore = (open: OpenHome): void => {
  describe('Dead letter store', () => {
    let home: StoreHome;
    let orm: MikroORM;
    let store: DeadLetterStore;
    let made = 0;

    beforeAll(async () => {
      home = await open();
      ({ orm } = home);
      store = mysqlDeadLetterStore(orm);
    });

    afterAll(async () => {
      await home?.close();
    });

    const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
    const death = (changes: Partial<Death> = {}): Death => ({
      identity: createHash('sha256')
        .update(`death-${(made += 1)}`)
        .digest('hex'),
      isReplay: false,
      topic: 'orders',
      group: 'payments',
      listener: 'charge',
      messageId: 'm1',
      tag: 'placed',
      keys: ['order-1'],
      properties: { 'checkback-tx': 'tx-1', 'weiß nicht': "a'b\\" },
      body: Buffer.from([0, 255, 39, 92, 10]),
      bornAt: new Date('2026-01-02T03:04:05.678Z'),
      reason: 'RETRIES_EXHAUSTED',
      reasonText: 'given up after 16 deliveries',
      errorChain: [{ name: 'ConnectError', code: 'CB_CONNECT', message: 'refused' }],
      deliveryAttempts: 16,
      callName: 'charge-payment',
      idempotencyKey: 'order-1',
      ...changes,
    });
    const kept = async (changes: Partial<Death> = {}): Promise<number> => (await store.keep(death(changes), 'worker')).id;
    const claimed = async (id: number): Promise<Extract<ReplayClaim, { kind: 'claimed' }>> => {
      const claim = await store.claimReplay(id, ADA, LEASE_MS);
      if (claim.kind !== 'claimed') throw new Error(`expected a claim, got ${claim.kind}`);
      return claim;
    };
    const endLease = (id: number) =>
      execute('update dead_letter set lease_until = utc_timestamp(3) - interval 1 second where id = ?', [id]);
    const actions = async (id: number) => (await store.history(id)).map(({ action }) => action);
    const stateOf = async (id: number) => (await store.find(id))!.standing.state;

    it('gives back what it was given, and the body by itself', async () => {
      const { isReplay: _, body, ...given } = death();
      const { id, isNew } = await store.keep({ ...given, isReplay: false, body }, 'worker');
      expect(isNew).toBe(true);
      const letter = (await store.find(id))!;
      expect(letter).toEqual({
        ...given,
        id,
        bodyBytes: 5,
        bodySha256: createHash('sha256').update(body).digest('hex'),
        deaths: 1,
        replays: 0,
        firstFailedAt: letter.lastFailedAt,
        lastFailedAt: letter.lastFailedAt,
        standing: { state: 'OPEN' },
      });
      expect(Math.abs(letter.lastFailedAt.getTime() - Date.now())).toBeLessThan(60_000);
      expect(Buffer.from((await store.body(id))!)).toEqual(body);
      expect(await store.history(id)).toMatchObject([{ action: 'KEPT', by: 'worker' }]);
    });

    it('keeps a body of the broker’s limit, 4 MiB', async () => {
      const body = Buffer.alloc(4 * 1024 * 1024, 0xab);
      const id = await kept({ body });
      expect(Buffer.from((await store.body(id))!).equals(body)).toBe(true);
    });

    it('updates the row at another death of the same message, and keeps the first failure', async () => {
      const first = death();
      const { id } = await store.keep(first, 'worker');
      await execute(
        'update dead_letter set first_failed_at = first_failed_at - interval 1 hour, last_failed_at = first_failed_at where id = ?',
        [id],
      );
      const before = (await store.find(id))!;
      const again = {
        ...first,
        reason: 'BROKER_LIMIT' as const,
        reasonText: 'again',
        deliveryAttempts: 17,
        callName: undefined,
        idempotencyKey: undefined,
      };
      expect(await store.keep(again, 'drain')).toEqual({ id, isNew: false });
      const after = (await store.find(id))!;
      expect(after).toMatchObject({
        deaths: 2,
        reason: 'BROKER_LIMIT',
        deliveryAttempts: 17,
        firstFailedAt: before.firstFailedAt,
        // What was known once is not forgotten.
        callName: 'charge-payment',
        idempotencyKey: 'order-1',
      });
      expect(after.lastFailedAt.getTime()).toBeGreaterThan(before.lastFailedAt.getTime());
      expect(await actions(id)).toEqual(['KEPT', 'DIED_AGAIN']);
    });

    it('tells groups apart, and keeps one row of many concurrent deaths', async () => {
      const one = death();
      const results = await Promise.all(Array.from({ length: 8 }, () => store.keep(one, 'worker')));
      expect(results.filter(({ isNew }) => isNew)).toHaveLength(1);
      expect(new Set(results.map(({ id }) => id)).size).toBe(1);
      expect((await store.find(results[0]!.id))!.deaths).toBe(8);
      expect((await store.keep({ ...one, group: 'Payments' }, 'worker')).isNew).toBe(true);
    });

    it('finds by everything a person asks for, page by page', async () => {
      const topic = `topic-${(made += 1)}`;
      const ids = [
        await kept({ topic, keys: ['a', '"quoted"'], idempotencyKey: undefined, reason: 'POISON' }),
        await kept({ topic, keys: [], idempotencyKey: 'a' }),
        await kept({ topic, group: 'others', listener: undefined }),
      ];
      await store.decide(ids[2]!, 'DISCARDED', ADA);
      await execute('update dead_letter set last_failed_at = ? where id = ?', [home.stored(new Date('2020-01-01T00:00:00Z')), ids[1]]);
      const found = async (filter: DeadLetterFilter): Promise<number[]> =>
        (await store.list({ topic, ...filter }, { limit: 10 })).map(({ id }) => ids.indexOf(id));
      expect(await found({})).toEqual([0, 1, 2]);
      expect(await found({ key: 'a' })).toEqual([0, 1]);
      expect(await found({ key: '"quoted"' })).toEqual([0]);
      expect(await found({ key: "' or 1=1 -- " })).toEqual([]);
      expect(await found({ group: 'others' })).toEqual([2]);
      expect(await found({ listener: 'charge' })).toEqual([0, 1]);
      expect(await found({ reason: 'POISON' })).toEqual([0]);
      expect(await found({ state: 'DISCARDED' })).toEqual([2]);
      expect(await found({ since: new Date('2021-01-01T00:00:00Z') })).toEqual([0, 2]);
      expect(await found({ until: new Date('2021-01-01T00:00:00Z') })).toEqual([1]);
      const page = await store.list({ topic }, { limit: 2 });
      expect(page.map(({ id }) => id)).toEqual(ids.slice(0, 2));
      expect((await store.list({ topic }, { afterId: ids[1]!, limit: 2 })).map(({ id }) => id)).toEqual(ids.slice(2));
    });

    it('lets one of many concurrent replays claim', async () => {
      for (let round = 0; round < 10; round += 1) {
        const id = await kept();
        const claims = await Promise.all(Array.from({ length: 8 }, () => store.claimReplay(id, ADA, LEASE_MS)));
        expect(claims.map(({ kind }) => kind).sort()).toEqual(['claimed', ...Array<string>(7).fill('in-flight')]);
      }
    });

    it('sends once, however many replay the same letter', async () => {
      const id = await kept();
      let sends = 0;
      const sender = { send: async () => void (sends += 1), close: async () => {} };
      const results = await Promise.all(Array.from({ length: 8 }, () => replayDeadLetter(id, { store, sender, by: 'ada' })));
      expect(results.filter(({ kind }) => kind === 'replayed')).toHaveLength(1);
      expect(sends).toBe(1);
      expect(await store.find(id)).toMatchObject({ replays: 1, standing: { state: 'REPLAYED', decidedBy: 'ada' } });
    });

    it('gives the claim of a replay that died to the next one, once its lease has ended', async () => {
      const id = await kept();
      const dead = await claimed(id);
      expect(await store.claimReplay(id, ADA, LEASE_MS)).toMatchObject({ kind: 'in-flight' });
      await endLease(id);
      const next = await claimed(id);
      expect(Buffer.from(next.body)).toEqual(Buffer.from(death().body));
      // The first one was only slow: it has nothing to say any more.
      expect(await store.endReplay(id, dead.fence, 'REPLAYED', ADA)).toBe(false);
      expect(await store.endReplay(id, next.fence, 'REPLAYED', ADA)).toBe(true);
      expect(await store.endReplay(id, next.fence, 'REPLAYED', ADA)).toBe(false);
      expect(await actions(id)).toEqual(['KEPT', 'REPLAY_CLAIMED', 'REPLAY_ABANDONED', 'REPLAY_CLAIMED', 'REPLAYED']);
      expect((await store.find(id))!.replays).toBe(1);
    });

    it('opens a letter again whose replay was not sent', async () => {
      const id = await kept();
      const { fence } = await claimed(id);
      expect(await store.endReplay(id, fence, 'OPEN', { by: 'ada', reason: 'broker away' })).toBe(true);
      expect((await store.find(id))!).toMatchObject({ standing: { state: 'OPEN' }, replays: 0 });
      expect((await store.history(id)).at(-1)).toMatchObject({ action: 'REPLAY_FAILED', why: 'broker away' });
    });

    it('opens a letter again whose replay died, and no other', async () => {
      const one = death();
      const { id } = await store.keep(one, 'worker');
      const { fence } = await claimed(id);
      await store.keep(one, 'worker');
      expect(await stateOf(id)).toBe('REPLAYING');
      await store.keep({ ...one, isReplay: true }, 'worker');
      expect(await stateOf(id)).toBe('OPEN');
      expect(await store.endReplay(id, fence, 'REPLAYED', ADA)).toBe(false);

      const again = await claimed(id);
      await store.endReplay(id, again.fence, 'REPLAYED', ADA);
      await store.keep(one, 'worker');
      expect(await stateOf(id)).toBe('REPLAYED');
      await store.keep({ ...one, isReplay: true }, 'worker');
      expect(await stateOf(id)).toBe('OPEN');

      await store.decide(id, 'RESOLVED', ADA);
      await store.keep({ ...one, isReplay: true }, 'worker');
      expect(await stateOf(id)).toBe('RESOLVED');
    });

    it.each(['DISCARDED', 'RESOLVED'] as const)('records %s with who and why, once', async (to) => {
      const id = await kept();
      expect(await store.decide(id, to, ADA)).toMatchObject({
        kind: 'decided',
        letter: { standing: { state: to, decidedBy: 'ada', decisionReason: 'the bank is back' } },
      });
      expect(await store.decide(id, 'DISCARDED', ADA)).toEqual({ kind: 'refused', state: to });
      expect(await store.claimReplay(id, ADA, LEASE_MS)).toEqual({ kind: 'refused', state: to });
      expect(await actions(id)).toEqual(['KEPT', to]);
    });

    it('decides about a letter in replay only after its lease', async () => {
      const id = await kept();
      const { fence } = await claimed(id);
      expect(await store.decide(id, 'DISCARDED', ADA)).toMatchObject({ kind: 'in-flight' });
      await endLease(id);
      expect(await store.decide(id, 'DISCARDED', ADA)).toMatchObject({ kind: 'decided' });
      expect(await store.endReplay(id, fence, 'REPLAYED', ADA)).toBe(false);
      expect(await actions(id)).toEqual(['KEPT', 'REPLAY_CLAIMED', 'REPLAY_ABANDONED', 'DISCARDED']);
    });

    it('knows no letter under a number nobody has', async () => {
      expect(await store.find(999_999)).toBeUndefined();
      expect(await store.body(999_999)).toBeUndefined();
      expect(await store.claimReplay(999_999, ADA, LEASE_MS)).toEqual({ kind: 'missing' });
      expect(await store.decide(999_999, 'RESOLVED', ADA)).toEqual({ kind: 'missing' });
    });

    it('changes no line of the history', async ({ skip }) => {
      skip(home.name === 'SQLite', 'there are no accounts');
      const { hostname, port, pathname } = new URL(home.url);
      const name = `dlq_${Math.random().toString(36).slice(2, 10)}`;
      await execute(`create user '${name}'@'%' identified by 'canary'`);
      await execute(`grant select, insert, update on \`${pathname.slice(1)}\`.dead_letter to '${name}'@'%'`);
      await execute(`grant select, insert on \`${pathname.slice(1)}\`.dead_letter_action to '${name}'@'%'`);
      const restricted = await openOrm({ url: `mysql://${name}:canary@${hostname}:${port}${pathname}`, entities: ENGINE_ENTITIES });
      try {
        const own = mysqlDeadLetterStore(restricted);
        const { id } = await own.keep(death(), 'worker');
        const claim = await own.claimReplay(id, ADA, LEASE_MS);
        expect(claim.kind === 'claimed' && (await own.endReplay(id, claim.fence, 'OPEN', ADA))).toBe(true);
        expect(await own.decide(id, 'RESOLVED', ADA)).toMatchObject({ kind: 'decided' });
      } finally {
        await restricted.close(true);
        await execute(`drop user '${name}'@'%'`);
      }
    });
  });

  describe('Finding a call', () => {
    let home: StoreHome;
    let orm: MikroORM;

    beforeAll(async () => {
      home = await open();
      ({ orm } = home);
    });

    afterAll(async () => {
      await home?.close();
    });

    it.each([
      ['SUCCESS', 'null', 'null', { status: 'SUCCESS', attempt: 'idle' }],
      ['UNKNOWN', 'null', 'null', { status: 'UNKNOWN', attempt: 'idle' }],
      ['PENDING', 'null', 'null', { status: 'PENDING', attempt: 'idle' }],
      ['PENDING', "'f'", 'utc_timestamp(3) + interval 1 hour', { status: 'PENDING', attempt: 'running' }],
      ['PENDING', "'f'", 'utc_timestamp(3) - interval 1 second', { status: 'PENDING', attempt: 'abandoned' }],
    ])('reads %s, lease %s until %s', async (status, owner, until, expected) => {
      await orm.em.getConnection().execute('delete from external_call');
      await orm.em.getConnection().execute(
        `insert into external_call (call_name, idempotency_key, correlation_id, status, lease_owner, lease_until, created_at, updated_at)
       values ('c', 'k', 'r', '${status}', ${owner}, ${until}, utc_timestamp(3), utc_timestamp(3))`,
      );
      expect(await mysqlFindCall(orm)('c', 'k')).toEqual(expected);
      expect(await mysqlFindCall(orm)('c', 'K')).toBeUndefined();
    });
  });
};
