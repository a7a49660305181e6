/* oxlint-disable vitest/no-conditional-expect -- with the half sent late there is none to ask about */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EntityManager as MysqlEntityManager } from '@mikro-orm/mysql';
import { OrderEntity } from '../../schema/index.ts';
import { LocalTransactionError, type TransactionalPublisher } from '../../src/index.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { outcomeOf } from './support/deliveries.ts';
import { type LocalShop, openLocalShop } from './support/local-shop.ts';
import { STRATEGIES, orderListener } from './support/strategies.ts';

const STOCK = 'stock';
const DEADLINE_MS = 500;
/** On top of a configured time, for a busy machine. */
const SLACK_MS = 5_000;
const OVERRUNNING = 'overruns';

let shop: LocalShop;
let publisher: TransactionalPublisher | undefined;
beforeAll(async () => {
  shop = await openLocalShop('overrun');
  await shop.orm.em.fork().insert(OrderEntity, {
    id: STOCK,
    transactionId: STOCK,
    customerId: 'c',
    amountMinor: 1n,
    currency: 'EUR',
    status: 'PLACED',
    createdAt: new Date(),
  });
});
afterAll(() => shop?.[Symbol.asyncDispose]());
beforeEach(() => {
  shop.story.length = 0;
  shop.broker.halves.length = 0;
});
afterEach(() => publisher?.close());

const SOON = { timeout: 2_000, interval: 20 };
const isStockFree = async (): Promise<boolean> => {
  const select = shop.orm.em.fork().execute('select id from orders where id = ? for update nowait', [STOCK]);
  return select.then(
    () => true,
    () => false,
  );
};
const running = async (text: string): Promise<unknown[]> =>
  shop.orm.em
    .getConnection()
    .execute(`select id from information_schema.processlist where info like ? and info not like '%processlist%'`, [text]);

describe.each(STRATEGIES)('An execute that overruns, under $name', (strategy) => {
  it.each([
    ['in the middle of a statement', 'select sleep(60)'],
    ['without a statement in flight', undefined],
  ])('%s: its session is gone from the server, its rows are free, its connection goes to nobody', async (what, statement) => {
    const orderId = `${strategy.name}-${what.length}`;
    const seen: number[] = [];
    let overran: AbortSignal | undefined;
    const late = Promise.withResolvers<Promise<unknown>>();
    const listener = orderListener('orders', strategy, (execute) => async (em, order, context) => {
      const sql = (text: string): Promise<Record<string, unknown>[]> => (em as MysqlEntityManager).execute(text);
      seen.push(Number((await sql('select connection_id() as id'))[0]!['id']));
      await execute(em, order, context);
      if (order.customerId !== OVERRUNNING) return 'COMMIT' as const;
      overran = context.signal;
      await em.flush();
      await em.nativeUpdate(OrderEntity, { id: STOCK }, { status: 'PAID' });
      if (statement !== undefined) return sql(statement) as never;
      const never = new Promise<never>(() => {});
      // What it does when the time is over finds no transaction any more.
      context.signal.addEventListener('abort', () =>
        late.resolve(outcomeOf(em.nativeUpdate(OrderEntity, { id: STOCK }, { status: 'REJECTED' }))),
      );
      return never;
    });
    publisher = await shop.start(listener, { poolSize: 1, transactionTimeoutMs: DEADLINE_MS });
    const startedAt = performance.now();
    const error = await outcomeOf(publisher.publish(listener, anOrder(orderId, { customerId: OVERRUNNING })));
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS);
    expect(error).toBeInstanceOf(LocalTransactionError);
    expect(error).toMatchObject({ message: expect.stringContaining(`overran its ${DEADLINE_MS} ms`) });
    expect(overran?.aborted).toBe(true);

    // The server closes the socket, which is what publish() waits for, a moment before it strikes the session off its list.
    await expect.poll(shop.sessions, SOON).not.toContain(seen[0]);
    await expect.poll(isStockFree, SOON).toBe(true);
    expect(await running('%sleep(60)%')).toEqual([]);
    if (statement === undefined) expect(await late.promise).toBeInstanceOf(Error);
    expect((await shop.orm.em.fork().findOneOrFail(OrderEntity, { id: STOCK })).status).toBe('PLACED');
    expect(await shop.orderIds()).not.toContain(orderId);
    const half = shop.broker.halves[0];
    if (half !== undefined) await expect.poll(() => shop.broker.ask(half), SOON).toBe('ROLLBACK');

    await publisher.publish(listener, anOrder(`${orderId}-next`));
    expect(seen[1]).not.toBe(seen[0]);
    expect(await shop.orderIds()).toContain(`${orderId}-next`);
    await publisher.close();
    const halves = strategy.half === 'beforeCommit' ? [] : ['END ROLLBACK'];
    expect(shop.story.filter((step) => step.startsWith('END')).toSorted()).toEqual(['END COMMIT', ...halves]);
  });
});
