import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TransactionalPublisher, TransactionListener } from '../../src/index.ts';
import type { PlaceOrder } from '../../listeners/index.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { type LocalShop, openLocalShop } from './support/local-shop.ts';
import {
  MARKER_BEFORE_COMMIT,
  MARKER_FIRST,
  ROW_BEFORE_COMMIT,
  ROW_FIRST,
  ROW_OVERLAPPED,
  type Strategy,
  orderListener,
} from './support/strategies.ts';

const WORDS: readonly [RegExp, string][] = [
  // The lock turns autocommit off, so the first statement of the transaction is its BEGIN.
  [/get_lock/, 'lock'],
  [/release_lock/, 'release'],
  [/^(begin|start transaction)$/, 'BEGIN'],
  [/^commit$/, 'COMMIT'],
  [/^insert into transaction_marker/, 'marker'],
  [/^insert into `orders`/, 'row'],
];
const wordFor = (step: string): string => WORDS.find(([pattern]) => pattern.test(step))?.[1] ?? step;

let shop: LocalShop;
let orders = 0;
const nextOrder = (): PlaceOrder => anOrder(`order-${++orders}`);
beforeAll(async () => {
  shop = await openLocalShop('critical_path');
});
afterAll(() => shop?.[Symbol.asyncDispose]());

/** A publisher whose pool has a connection already, so that what is seen is what each order costs. */
async function startWarm(listener: TransactionListener<PlaceOrder>): Promise<TransactionalPublisher> {
  shop.story.length = 0;
  const publisher = await shop.start(listener, { poolSize: 1 });
  await publisher.publish(listener, nextOrder());
  // Neither its END nor its RELEASE_LOCK was waited for.
  const count = (word: string): number => shop.story.filter((step) => wordFor(step) === word).length;
  await expect.poll(() => [count('END COMMIT'), count('release')]).toEqual([1, count('lock')]);
  await expect.poll(() => shop.proxy.statements.at(-1)?.answered).toBe('ok');
  shop.story.length = 0;
  return publisher;
}

describe('The critical path of publish()', () => {
  it.each<[Strategy, string[]]>([
    [ROW_FIRST, ['lock', 'half', 'row', 'COMMIT']],
    [ROW_BEFORE_COMMIT, ['BEGIN', 'row', 'half', 'COMMIT']],
    [MARKER_FIRST, ['half', 'BEGIN', 'marker', 'row', 'COMMIT']],
    [MARKER_BEFORE_COMMIT, ['BEGIN', 'marker', 'row', 'half', 'COMMIT']],
  ])('$name: is exactly these round trips, and all of them on one connection', async (strategy, steps) => {
    const listener = orderListener('orders', strategy);
    const publisher = await startWarm(listener);
    const before = shop.proxy.statements.length;
    await publisher.publish(listener, nextOrder());
    // RELEASE_LOCK has its own test below.
    expect(shop.story.map(wordFor).filter((step) => !['release', 'END COMMIT'].includes(step))).toEqual(steps);
    expect(new Set(shop.proxy.statements.slice(before).map(({ threadId }) => threadId)).size).toBe(1);
    await publisher.close();
  });

  it('does not wait for RELEASE_LOCK: publish() resolves while it is unanswered', async () => {
    const listener = orderListener('orders', ROW_FIRST);
    const publisher = await startWarm(listener);
    const resolved = Promise.withResolvers<void>();
    const released = shop.proxy.intercept(/release_lock/, async (release) => {
      await resolved.promise;
      release.pass();
    });
    await publisher.publish(listener, nextOrder());
    resolved.resolve();
    // A publisher that waits for it kills the connection after two seconds, over another one.
    expect(shop.story.map(wordFor).filter((step) => !['release', 'END COMMIT'].includes(step))).toEqual(['lock', 'half', 'row', 'COMMIT']);
    await released;
    await publisher.close();
  });

  it('with "overlapped", half message and statements run side by side, and COMMIT waits for both', async () => {
    const [halfBegan, rowWritten] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let isWarm = false;
    const listener = orderListener('orders', ROW_OVERLAPPED, (execute) => async (em, order, context) => {
      const decision = await execute(em, order, context);
      if (!isWarm) return decision;
      await em.flush();
      rowWritten.resolve();
      // Only a half message that is under way at the same time opens this gate, ...
      await halfBegan.promise;
      return decision;
    });
    const publisher = await startWarm(listener);
    isWarm = true;
    shop.broker.beforeHalf = async () => {
      halfBegan.resolve();
      // ... and only statements that are under way at the same time open this one.
      await rowWritten.promise;
    };
    await publisher.publish(listener, nextOrder());
    const steps = shop.story.map(wordFor).filter((step) => !['release', 'END COMMIT'].includes(step));
    expect(steps.toSorted()).toEqual(['COMMIT', 'half', 'lock', 'row']);
    expect([steps[0], steps.at(-1)]).toEqual(['lock', 'COMMIT']);
    shop.broker.beforeHalf = async () => {};
    await publisher.close();
  }, 20_000);

  it('with "overlapped", sends no COMMIT while the half message is not stored', async () => {
    const listener = orderListener('orders', ROW_OVERLAPPED);
    const publisher = await startWarm(listener);
    const stored = Promise.withResolvers<void>();
    shop.broker.beforeHalf = () => stored.promise;
    const published = publisher.publish(listener, nextOrder());
    await expect.poll(() => shop.story.map(wordFor)).toContain('row');
    // The row is written and answered; whoever does not wait for the half commits now.
    await expect.poll(() => shop.proxy.statements.at(-1)?.answered).toBe('ok');
    expect(await shop.orderIds()).not.toContain(`order-${orders}`);
    stored.resolve();
    await published;
    const steps = shop.story.map(wordFor);
    expect(steps.indexOf('COMMIT')).toBeGreaterThan(steps.indexOf('half'));
    shop.broker.beforeHalf = async () => {};
    await publisher.close();
  });
});
