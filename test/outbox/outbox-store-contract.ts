import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MikroORM } from '@mikro-orm/mysql';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import type { ClaimedMessage, ClaimRequest, OutboxStore } from '../../src/outbox/outbox-store.ts';
import { mysqlOutbox } from '../../src/store/mysql-outbox.ts';
import { mysqlOutboxStore } from '../../src/store/mysql-outbox-store.ts';
import type { OpenHome, StoreHome } from '../store/store-home.ts';
import { executeIn, sqlIn } from '../support/execute-in.ts';
import { keysOf, outboxMessage } from './support/messages.ts';

const MINUTE = 60_000;

/** What every store of an outbox does, whatever database it is on. */
export const describeOutboxStore = (open: OpenHome): void => {
  describe('OutboxStore', () => {
    let home: StoreHome;
    let store: OutboxStore;
    let other: OutboxStore;
    beforeAll(async () => {
      home = await open();
      store = mysqlOutboxStore(home.orm);
      other = mysqlOutboxStore(await home.another());
    });
    afterAll(() => home?.close());
    beforeEach(() => run('delete from outbox_message'));

    const run = (sql: string): Promise<unknown> => home.orm.em.getConnection().execute(sql);
    const write = (messages: readonly OutgoingMessage[], orm: MikroORM = home.orm): Promise<void> =>
      orm.em.fork().transactional((em) => mysqlOutbox(orm).write(sqlIn(em), messages));
    const claim = (options: Partial<ClaimRequest> = {}, from: OutboxStore = store): Promise<readonly ClaimedMessage[]> =>
      from.claim({ owner: 'r1', limit: 100, leaseMs: MINUTE, parkedLane: 'hold', ...options });
    const endLeases = (): Promise<unknown> =>
      home.orm.em.getConnection().execute(`update outbox_message set due_at = ? where state = 'WAITING'`, [home.stored(new Date(0))]);

    it('gives a message back as it was written, in the order of writing', async () => {
      const first = outboxMessage('a', { body: Buffer.from([0, 255, 10]), properties: { 'checkback-tx': 'tx-1', n: 'ä' } });
      await write([first, outboxMessage('b', { properties: { 'checkback-tx': 'tx-1' }, keys: [] })]);
      const [one, two] = await claim();
      expect({ ...one!.message, body: Buffer.from(one!.message.body) }).toEqual(first);
      expect(one).toMatchObject({ attempt: 1, lane: expect.any(String) });
      expect(two).toMatchObject({ lane: undefined, fence: one!.fence });
    });

    it('does not see what is not committed, nor what was rolled back', async () => {
      const rolledBack = home.orm.em.fork().transactional(async (em) => {
        await mysqlOutbox(home.orm).write(sqlIn(em), [outboxMessage('a')]);
        expect(await (home.name === 'SQLite' ? [] : claim({}, other))).toEqual([]);
        throw new Error('rolled back');
      });
      await expect(rolledBack).rejects.toThrow('rolled back');
      expect(await claim()).toEqual([]);
    });

    it('takes messages of other lanes, and none of a lane that another has claimed', async () => {
      await write([outboxMessage('a'), outboxMessage('b')]);
      expect(keysOf(await claim({ limit: 1 }))).toEqual(['a']);
      await write([outboxMessage('a'), outboxMessage('c')]);
      expect(keysOf(await claim({}, other))).toEqual(['b', 'c']);
      expect(await claim({}, other)).toEqual([]);
    });

    it('takes what follows a lane’s first message when few lanes have work, and in order', async () => {
      const bodies = Array.from({ length: 20 }, (_, index) => outboxMessage('a', { body: Buffer.from(`${index}`) }));
      for (const message of bodies) await write([message]);
      const claimed = await claim({ limit: 12 });
      expect(claimed.map(({ message }) => Number(Buffer.from(message.body)))).toEqual(Array.from({ length: 12 }, (_, index) => index));
      expect(await claim({}, other)).toEqual([]);
      expect(await store.markSent(claimed, MINUTE)).toBe(12);
      expect((await claim({}, other)).map(({ message }) => Number(Buffer.from(message.body)))).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
    });

    it('keeps a lane waiting while its first message is to be tried later', async () => {
      await write([outboxMessage('a', { tag: 'first' }), outboxMessage('a', { tag: 'second' }), outboxMessage('b')]);
      const [head] = await claim({ limit: 1 });
      expect(await store.retryLater(head!, MINUTE, 'no answer')).toBe(true);
      expect(keysOf(await claim())).toEqual(['b']);
      await endLeases();
      const again = await claim();
      expect(again.filter(({ lane }) => lane === head!.lane).map(({ message, attempt }) => [message.tag, attempt])).toEqual([
        ['first', 2],
        ['second', 1],
      ]);
    });

    it('gives a message to another when its lease ends, and then refuses the first one’s word', async () => {
      await write([outboxMessage('a')]);
      const mine = await claim();
      await endLeases();
      const theirs = await claim({ owner: 'r2' }, other);
      expect(theirs).toMatchObject([{ attempt: 2 }]);
      expect(await store.markSent(mine, MINUTE)).toBe(0);
      expect(await store.retryLater(mine[0]!, 0, 'late')).toBe(false);
      expect(await store.park(mine[0]!, 'late')).toBe(false);
      expect(await store.release(mine)).toBe(0);
      expect(await other.markSent(theirs, MINUTE)).toBe(1);
      expect(await other.markSent(theirs, MINUTE)).toBe(0);
    });

    it('takes nothing past a parked message in the middle of a lane that is held', async () => {
      for (const tag of ['one', 'two', 'three']) await write([outboxMessage('a', { tag })]);
      const [one, two, three] = await claim();
      await store.park(two!, 'too big');
      await store.release([one!, three!]);
      expect((await claim()).map(({ message }) => message.tag)).toEqual(['one']);
    });

    it('finds what may be sent behind a long lane that waits, and takes no more than it is asked for', async () => {
      await write([outboxMessage('held')]);
      await store.park((await claim())[0]!, 'too big');
      for (let index = 0; index < 45; index += 1) await write([outboxMessage('held')]);
      for (const key of ['b', 'c', 'd', 'b', 'c', 'd']) await write([outboxMessage(key)]);
      expect(keysOf(await claim({ limit: 1 }))).toEqual(['b']);
      expect(keysOf(await claim({ limit: 3 }))).toEqual(['c', 'd']);
    });

    it('lets go as if it had never claimed', async () => {
      await write([outboxMessage('a')]);
      expect(await store.release(await claim())).toBe(1);
      expect(await claim()).toMatchObject([{ attempt: 1 }]);
    });

    it('parks with the reason; the lane waits with hold and goes on with pass; a person requeues or discards', async () => {
      await write([outboxMessage('a', { tag: 'bad' }), outboxMessage('a', { tag: 'good' }), outboxMessage('b')]);
      const claimed = await claim();
      const bad = claimed.find(({ message }) => message.tag === 'bad')!;
      expect(await store.park(bad, 'too big')).toBe(true);
      await store.release(claimed);
      expect(await store.parked(10)).toMatchObject([{ id: bad.id, keys: ['a'], reason: 'too big', attempts: 1 }]);
      expect(await store.backlog()).toMatchObject({ waiting: 2, parked: 1 });
      const held = await claim();
      expect(keysOf(held)).toEqual(['b']);
      await store.release(held);
      const passed = await claim({ parkedLane: 'pass' });
      expect(passed.map(({ message }) => message.tag)).toEqual(['good', 'placed']);
      await store.release(passed);

      expect(await store.requeue(bad.id, 'pat')).toBe(true);
      expect(await store.requeue(bad.id, 'pat')).toBe(false);
      const again = await claim();
      expect(again.map(({ message }) => message.tag)).toEqual(['bad', 'good', 'placed']);
      await store.park(again[0]!, 'still too big');
      await store.release(again);
      expect(await store.discard(bad.id, 'pat')).toBe(true);
      expect((await claim()).map(({ message }) => message.tag)).toEqual(['good', 'placed']);
    });

    it('deletes in batches what was kept long enough, and nothing that is open', async () => {
      for (const key of ['a', 'b', 'c', 'd', 'e']) await write([outboxMessage(key)]);
      const claimed = await claim();
      await store.markSent(claimed.slice(0, 3), -1_000);
      await store.markSent(claimed.slice(3, 4), MINUTE);
      expect(await store.deleteKept(2)).toBe(2);
      expect(await store.deleteKept(2)).toBe(1);
      expect(await store.deleteKept(2)).toBe(0);
      const rows = await executeIn(home.orm.em.fork(), 'select state from outbox_message order by id');
      expect(rows.map(({ state }) => state)).toEqual(['SENT', 'WAITING']);
    });

    it('tells how much waits and for how long', async () => {
      expect(await store.backlog()).toEqual({ waiting: 0, parked: 0, oldestWaitingMs: undefined });
      await write([outboxMessage('a')]);
      const { waiting, oldestWaitingMs } = await store.backlog();
      expect(waiting).toBe(1);
      expect(oldestWaitingMs).toBeGreaterThanOrEqual(0);
      expect(oldestWaitingMs).toBeLessThan(MINUTE);
    });

    it('hands each message to one of several relays at once, and never two of a lane', async () => {
      const relays = [store, other, mysqlOutboxStore(await home.another()), mysqlOutboxStore(await home.another())];
      const lanes = Array.from({ length: 12 }, (_, index) => `k${index}`);
      for (let round = 0; round < 15; round += 1) await write(lanes.map((key) => outboxMessage(key, { body: Buffer.from(`${round}`) })));
      const told: { relay: number; key: string; round: number }[] = [];
      const open = new Set<string>();
      const clashes: string[] = [];
      const work = async (relay: number): Promise<void> => {
        while (told.length < lanes.length * 15) {
          const claimed = await claim({ owner: `r${relay}`, limit: 7 }, relays[relay]);
          const held = new Set(claimed.map(({ lane }) => lane!));
          for (const lane of held) if (open.has(lane)) clashes.push(lane);
          for (const lane of held) open.add(lane);
          for (const { message } of claimed) told.push({ relay, key: message.keys[0]!, round: Number(Buffer.from(message.body)) });
          await new Promise(setImmediate);
          // Before the mark: from its COMMIT on the lane may be claimed by another.
          for (const lane of held) open.delete(lane);
          expect(await relays[relay]!.markSent(claimed, MINUTE)).toBe(claimed.length);
        }
      };
      await Promise.all(relays.map((_, relay) => work(relay)));
      expect(clashes).toEqual([]);
      for (const key of lanes)
        expect(told.filter((each) => each.key === key).map(({ round }) => round)).toEqual(Array.from({ length: 15 }, (_, round) => round));
    });
  });
};
