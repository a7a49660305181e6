import { RequestContext } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { v7 as uuidV7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OrderEntity } from '../../schema/index.ts';
import { purgeTransactionMarkers } from '../../src/store/purge-transaction-markers.ts';
import { type HalfMessageView, type Lookup, rowExists, transactionMarker } from '../../src/transaction/lookup.ts';
import { type Fence, type FencedSession, type TransactionDatabase, fenceOf } from '../../src/transaction/transaction-database.ts';
import type { HalfMode } from '../../src/transaction/transaction-listener.ts';

/** A database to hold to the contract, with the tables of the engine and of orders in it and five connections. */
export interface ContractDatabase {
  readonly orm: MikroORM;
  readonly database: TransactionDatabase;
  /** Whether several transactions write at once, so that one may wait for another's rows. */
  readonly hasRowLocks: boolean;
  close(): Promise<void>;
}

/** What every transaction database does, whatever it is. */
export function describeLookUpContract(of: string, open: () => Promise<ContractDatabase>): void {
  describe(`Look-up contract on ${of}`, () => {
    const byRow = rowExists(OrderEntity, ({ transactionId }) => ({ transactionId }));
    const byMarker = transactionMarker();
    const never = new AbortController().signal;
    let opened: ContractDatabase;
    let orm: MikroORM;
    let database: TransactionDatabase;

    const half = (transactionId: string, payload: unknown = {}): HalfMessageView => ({
      transactionId,
      topic: 'orders',
      tag: 'placed',
      keys: [],
      payload,
    });
    const order = (transactionId: string) => ({
      id: `order-${transactionId}`,
      transactionId,
      customerId: 'c1',
      amountMinor: 100n,
      currency: 'EUR',
      status: 'PLACED' as const,
      createdAt: new Date(),
    });
    const start = (...lookups: Lookup[]) =>
      database.start(
        lookups.map((lookup) => ({ name: 'l', lookup, half: 'first' as const })),
        { transactionTimeoutMs: 10_000 },
      );
    const withSession = <T>(id: string, fence: Fence, work: (session: FencedSession) => Promise<T>, timeoutMs = 5_000): Promise<T> =>
      database.withFencedSession(id, fence, timeoutMs, work);

    beforeAll(async () => {
      opened = await open();
      ({ orm, database } = opened);
      await start(byRow, byMarker);
    });

    afterAll(async () => {
      await opened?.close();
    });

    const modes: { name: string; lookup: Lookup; mode: HalfMode }[] = [
      { name: 'rowExists, half first', lookup: byRow, mode: 'first' },
      { name: 'rowExists, half overlapped', lookup: byRow, mode: 'overlapped' },
      { name: 'rowExists, half before COMMIT', lookup: byRow, mode: 'beforeCommit' },
      { name: 'transactionMarker, half first', lookup: byMarker, mode: 'first' },
      { name: 'transactionMarker, half before COMMIT', lookup: byMarker, mode: 'beforeCommit' },
    ];

    const strategies = modes.flatMap((mode) => (['entity manager', 'statements'] as const).map((by) => ({ ...mode, by })));

    describe.each(strategies)('$name, rows by $by', ({ lookup, mode, by }) => {
      const fence = fenceOf(lookup, mode);
      const check = (id: string) => database.check(lookup, half(id), never);
      /** The fence is closed behind the caller's back: UNKNOWN for a moment more. */
      const settled = async (id: string) => {
        await expect.poll(() => check(id), { timeout: 10_000, interval: 5 }).not.toBe('UNKNOWN');
        return check(id);
      };
      /** BEGIN and everything up to the moment in which this strategy's half message may exist. */
      const openWithRow = async (session: FencedSession, id: string) => {
        if (by === 'statements') {
          const sql = await session.beginSql();
          await sql.insert(OrderEntity, order(id));
          return;
        }
        const em = await session.begin();
        em.create(OrderEntity, order(id));
        await session.flush();
      };

      it('answers UNKNOWN while the transaction is open, COMMIT once it has committed, and the same for ever', async () => {
        const id = uuidV7();
        await withSession(id, fence, async (session) => {
          await openWithRow(session, id);
          expect(await check(id), 'open, row inserted').toBe('UNKNOWN');
          await session.commit();
        });
        expect(await settled(id)).toBe('COMMIT');
        expect(await check(id)).toBe('COMMIT');
      });

      it('answers ROLLBACK once the transaction is rolled back, and the same for ever', async () => {
        const id = uuidV7();
        await withSession(id, fence, async (session) => {
          await openWithRow(session, id);
          expect(await check(id)).toBe('UNKNOWN');
          await session.rollback();
        });
        expect(await settled(id)).toBe('ROLLBACK');
        expect(await check(id)).toBe('ROLLBACK');
      });

      it('answers ROLLBACK for a transaction that never began', async () => {
        expect(await check(uuidV7())).toBe('ROLLBACK');
      });

      it('does not take another attempt at the same order for this one', async () => {
        const [first, second] = [uuidV7(), uuidV7()];
        await withSession(second, fence, async (session) => {
          const em = await session.begin();
          em.create(OrderEntity, { ...order(second), id: `order-${first}` });
          await session.flush();
          await session.commit();
        });
        expect(await check(first)).toBe('ROLLBACK');
        expect(await settled(second)).toBe('COMMIT');
      });

      it('answers UNKNOWN until the server is done with a killed session, and ROLLBACK then', async () => {
        const id = uuidV7();
        await withSession(id, fence, async (session) => {
          await openWithRow(session, id);
          await session.kill();
        });
        await expect.poll(() => check(id), { timeout: 10_000 }).not.toBe('UNKNOWN');
        expect(await check(id)).toBe('ROLLBACK');
      });

      it('is exact under a storm of checks: none that was answered ROLLBACK ever commits, none answered COMMIT is missing', async () => {
        const answers = new Map<string, Set<string>>();
        const transactions = Array.from({ length: 60 }, async (_, index) => {
          const id = uuidV7();
          const seen = new Set<string>();
          answers.set(id, seen);
          let isOver = false;
          // The first check may come when the half exists: with beforeCommit that is after the row is written.
          const storm = async (): Promise<void> => {
            while (!isOver) seen.add(await check(id));
          };
          let storming: Promise<void[]> = Promise.resolve([]);
          const begin = (): void => void (storming = Promise.all([storm(), storm()]));
          try {
            await withSession(
              id,
              fence,
              async (session) => {
                if (mode !== 'beforeCommit') begin();
                await openWithRow(session, id);
                if (mode === 'beforeCommit') begin();
                if (index % 5 === 0) return session.kill();
                if (index % 5 === 1) return session.rollback();
                await session.commit();
              },
              30_000,
            );
          } catch {
            // A marker that a check wrote first refuses the transaction: a rollback like any other.
          } finally {
            isOver = true;
            await storming;
          }
        });
        await Promise.all(transactions);
        for (const [id, seen] of answers) {
          const committed = (await orm.em.fork().count(OrderEntity, { transactionId: id })) === 1;
          expect(seen.has(committed ? 'ROLLBACK' : 'COMMIT'), `${id} committed: ${committed}, answered ${[...seen].join(' ')}`).toBe(false);
          await expect.poll(() => check(id), { timeout: 10_000 }).toBe(committed ? 'COMMIT' : 'ROLLBACK');
        }
      });
    });

    describe('The session lock', () => {
      it('answers UNKNOWN before BEGIN and after ROLLBACK, as long as the fence is open', async () => {
        const id = uuidV7();
        await withSession(id, 'session-lock', async (session) => {
          expect(await database.check(byRow, half(id), never), 'not begun').toBe('UNKNOWN');
          const em = await session.begin();
          em.create(OrderEntity, order(id));
          await session.flush();
          await session.rollback();
          expect(await database.check(byRow, half(id), never), 'rolled back').toBe('UNKNOWN');
        });
        await expect.poll(() => database.check(byRow, half(id), never)).toBe('ROLLBACK');
      });
    });

    describe('The write-once marker', () => {
      it('refuses a transaction that a check-back has already settled', async () => {
        const id = uuidV7();
        expect(await database.check(byMarker, half(id), never)).toBe('ROLLBACK');
        await expect(withSession(id, 'marker', (session) => session.begin())).rejects.toThrow(/already settled/);
        expect(await database.check(byMarker, half(id), never)).toBe('ROLLBACK');
      });

      it('refuses a transaction so old that its marker may have been purged', async () => {
        const old = uuidV7({ msecs: Date.now() - 2 * 3_600_000 });
        await expect(withSession(old, 'marker', (session) => session.begin())).rejects.toThrow(/may have been purged/);
      });
    });

    describe('A fenced session', () => {
      it('lets no work slip past COMMIT through an entity manager that was kept', async () => {
        const [kept, late] = [uuidV7(), uuidV7()];
        const attempts: Promise<PromiseSettledResult<unknown>[]>[] = [];
        await withSession(kept, 'session-lock', async (session) => {
          const em = await session.begin();
          const committing = session.commit();
          // Behind COMMIT on the same connection this would run in autocommit.
          await new Promise((resolve) => setImmediate(resolve));
          attempts.push(Promise.allSettled([em.insert(OrderEntity, order(late))]));
          await committing;
          attempts.push(Promise.allSettled([em.insert(OrderEntity, order(late))]));
        });
        expect((await Promise.all(attempts)).flat().map(({ status }) => status)).toEqual(['rejected', 'rejected']);
        await expect.poll(() => database.check(byRow, half(late), never)).toBe('ROLLBACK');
      });

      it('refuses a COMMIT without the row its look-up would find, and takes one that was inserted natively', async () => {
        const [absent, native] = [uuidV7(), uuidV7()];
        await withSession(absent, 'session-lock', async (session) => {
          await session.begin();
          await expect(session.proveRow(byRow, half(absent))).rejects.toThrow(/wrote no Order that its look-up finds \(transactionId\)/);
        });
        await withSession(native, 'session-lock', async (session) => {
          const em = await session.begin();
          await em.insert(OrderEntity, order(native));
          await session.proveRow(byRow, half(native));
          await session.commit();
        });
        await expect.poll(() => database.check(byRow, half(native), never)).toBe('COMMIT');
      });

      it('takes statements in place of an entity manager: rows, parameters, results, and what is wrong with a property', async () => {
        const id = uuidV7();
        await withSession(id, 'session-lock', async (session) => {
          expect(() => session.sql).toThrow('statements before BEGIN');
          const sql = await session.beginSql();
          const at = new Date(Date.UTC(2026, 10, 23, 10, 9, 8, 765));
          expect(await sql.insert(OrderEntity, { ...order(id), createdAt: at })).toMatchObject({ affectedRows: 1 });
          // Only a row it knows of needs no question.
          expect(session.proveRow(byRow, half(id))).toBeUndefined();
          await expect(session.proveRow(byRow, half(uuidV7()))).rejects.toThrow(/wrote no Order/);
          const rows = await sql.query<{ amount_minor: number | string }>('select amount_minor from orders where id = ?', [`order-${id}`]);
          expect(Number(rows[0]?.amount_minor)).toBe(100);
          expect(await sql.execute('update orders set currency = ? where id = ?', ['USD', `order-${id}`])).toMatchObject({
            affectedRows: 1,
          });
          await expect(sql.insert(OrderEntity, { nothing: 1 } as never)).rejects.toThrow('insert: Order has no column for "nothing"');
          await session.commit();
          await expect(sql.execute('delete from orders')).rejects.toThrow('it takes no more work');
        });
        const written = await orm.em.fork().findOneOrFail(OrderEntity, { transactionId: id });
        expect(written).toMatchObject({ currency: 'USD', amountMinor: 100n, createdAt: new Date(Date.UTC(2026, 10, 23, 10, 9, 8, 765)) });
      });

      it('gives a connection back as it was: each statement after it stands for itself', async () => {
        const ids = Array.from({ length: 10 }, () => uuidV7());
        for (const [index, id] of ids.entries()) {
          await withSession(id, 'session-lock', async (session) => {
            const sql = await session.beginSql();
            await sql.insert(OrderEntity, order(id));
            if (index % 2 === 0) await session.commit();
          });
        }
        await expect.poll(() => database.check(byRow, half(ids.at(-1)!), never)).toBe('ROLLBACK');
        // Each on any of the connections that were used; a transaction left open on one of them would hide its row.
        const later = Array.from({ length: 10 }, () => uuidV7());
        await Promise.all(later.map((id) => orm.em.fork().insert(OrderEntity, order(id))));
        for (const id of later) expect(await database.check(byRow, half(id), never)).toBe('COMMIT');
      });

      it('begins again after a deadlock on the same connection, under the same fence', async ({ skip }) => {
        skip(!opened.hasRowLocks, 'nobody waits for a row here');
        const [a, b] = [uuidV7(), uuidV7()];
        const rows = [uuidV7(), uuidV7()].map((id) => order(id));
        await orm.em.fork().insertMany(OrderEntity, rows);
        const touch = (em: Awaited<ReturnType<FencedSession['begin']>>, index: number) =>
          em.nativeUpdate(OrderEntity, { id: rows[index]!.id }, { status: 'PAID' });
        const [mine, theirs] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const other = withSession(b, 'session-lock', async (session) => {
          const em = await session.begin();
          // Heavier, so that the server picks the other one as its victim.
          await em.insertMany(OrderEntity, [order(b), order(uuidV7()), order(uuidV7())]);
          await touch(em, 1);
          theirs.resolve();
          await mine.promise;
          await touch(em, 0);
          await session.commit();
        });
        await withSession(a, 'session-lock', async (session) => {
          await theirs.promise;
          let em = await session.begin();
          await touch(em, 0);
          mine.resolve();
          const error: unknown = await touch(em, 1).catch((e: unknown) => e);
          expect(session.isWorthRepeating(error)).toBe(true);
          await session.rollback();
          expect(await database.check(byRow, half(a), never)).toBe('UNKNOWN');
          await other;
          em = await session.begin();
          em.create(OrderEntity, order(a));
          await session.flush();
          await session.commit();
        });
        await expect.poll(() => database.check(byRow, half(a), never)).toBe('COMMIT');
      });

      it('gives every connection back, whatever became of it', async () => {
        const outcomes = Array.from({ length: 40 }, (_, index) => {
          const id = uuidV7();
          return withSession(
            id,
            'session-lock',
            async (session) => {
              const em = await session.begin();
              em.create(OrderEntity, order(id));
              if (index % 4 === 0) return session.kill();
              if (index % 4 === 1) throw new Error('boom');
              if (index % 4 === 2) return session.rollback();
              return session.commit();
            },
            30_000,
          );
        });
        await Promise.allSettled(outcomes);
        // Five at once need all five of the pool.
        const gate = Promise.withResolvers<void>();
        let inside = 0;
        const all = Array.from({ length: 5 }, () =>
          withSession(uuidV7(), 'session-lock', async () => {
            if (++inside === 5) gate.resolve();
            await gate.promise;
          }),
        );
        await Promise.all(all);
      });

      it('leaves check-backs their own connections, and says so in time when the pool has none left', async () => {
        const gate = Promise.withResolvers<void>();
        const holders = Array.from({ length: 5 }, () => withSession(uuidV7(), 'session-lock', () => gate.promise));
        let ran = false;
        await expect(withSession(uuidV7(), 'session-lock', async () => (ran = true), 100)).rejects.toMatchObject({
          code: 'CB_DATABASE_UNAVAILABLE',
          acted: 'no',
        });
        expect(await database.check(byRow, half(uuidV7()), never)).toBe('ROLLBACK');
        gate.resolve();
        await Promise.all(holders);
        expect(ran).toBe(false);
      });
    });

    describe('A look-up that could answer for the wrong transaction', () => {
      it.each([
        ['matches only a business key', rowExists(OrderEntity, () => ({ id: 'o1' })), /does not match the transaction id/],
        [
          'goes through no unique key',
          rowExists(OrderEntity, (h) => ({ customerId: h.transactionId })),
          /neither a primary nor a unique key/,
        ],
        ['names no property', rowExists(OrderEntity, (h) => ({ txId: h.transactionId })), /has no property "txId"/],
        ['is a range', rowExists(OrderEntity, (h) => ({ transactionId: { $gte: h.transactionId } })), /must be matched by equality/],
        ['is empty', rowExists(OrderEntity, () => ({})), /must be an object of columns/],
        ['names an unknown entity', rowExists(class Nothing {}, (h) => ({ transactionId: h.transactionId })), /Nothing/],
      ])('is refused at start: %s', async (_what, wrong, message) => {
        await expect(start(wrong)).rejects.toThrow(message);
      });

      it('may match a business key that is used only once, said so', async () => {
        await expect(start(rowExists(OrderEntity, () => ({ id: 'o1' }), { keyUsedOnce: true }))).resolves.toBeUndefined();
      });

      it('reads the payload: checked with each message instead', async () => {
        const byPayload = rowExists<{ order: { id: string } }>(OrderEntity, (h) => ({
          id: h.payload.order.id,
          transactionId: h.transactionId,
        }));
        await expect(start(byPayload)).resolves.toBeUndefined();
        expect(() => database.assertCheckable(byPayload, half('t', { order: { id: 'o1' } }))).not.toThrow();
        expect(() => database.assertCheckable(byPayload, half('t', { order: {} }))).toThrow(/"id" is undefined/);
      });
    });

    describe('The purge of markers', () => {
      it('removes what nobody can ask about any more, and nothing younger', async () => {
        const hour = 3_600_000;
        const ages = [1, 71, 96, 98, 200];
        const ids = ages.map((hours) => uuidV7({ msecs: Date.now() - hours * hour }));
        const connection = orm.em.getConnection();
        await connection.execute('delete from transaction_marker');
        for (const id of ids) await connection.execute('insert into transaction_marker (id, state) values (?, 1)', [id]);
        expect(await purgeTransactionMarkers(orm, { brokerRetentionHours: 72, batch: 1 })).toBe(2);
        const left = await connection.execute<{ id: string }[]>('select id from transaction_marker order by id desc');
        expect(left.map(({ id }) => id)).toEqual(ids.slice(0, 3));
        await expect(purgeTransactionMarkers(orm, { brokerRetentionHours: 0 })).rejects.toThrow(
          /brokerRetentionHours must be at least 1, got 0/,
        );
      });
    });

    describe('A transaction that somebody else opened', () => {
      it('is noticed inside em.transactional and inside a request context, and only there', async () => {
        expect(database.isInsideTransaction()).toBe(false);
        await orm.em.fork().transactional(async () => {
          expect(database.isInsideTransaction()).toBe(true);
        });
        await RequestContext.create(orm.em, async () => {
          expect(database.isInsideTransaction()).toBe(false);
          const em = RequestContext.getEntityManager()!;
          await em.begin();
          expect(database.isInsideTransaction()).toBe(true);
          await em.rollback();
          expect(database.isInsideTransaction()).toBe(false);
        });
      });
    });
  });
}
