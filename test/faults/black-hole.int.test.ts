import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Resolution, type TransactionalPublisher } from '../../src/index.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { outcomeOf } from './support/deliveries.ts';
import { type LocalShop, openLocalShop } from './support/local-shop.ts';
import { MARKER_FIRST, ROW_FIRST, orderListener } from './support/strategies.ts';

const RECEIPT = { transactionId: expect.any(String), correlationId: expect.any(String) };
const PATIENCE = { timeout: 15_000 };
/** More than the publisher looks up at once, and more than it has connections for look-ups. */
const QUESTIONS = 12;

let shop: LocalShop;
let publisher: TransactionalPublisher | undefined;
beforeAll(async () => {
  shop = await openLocalShop('black_hole');
});
afterAll(() => shop?.[Symbol.asyncDispose]());
beforeEach(() => {
  shop.proxy.pass();
  shop.broker.halves.length = 0;
});
afterEach(() => {
  vi.restoreAllMocks();
  shop.proxy.cut();
  return publisher?.close(1_000);
});

/** As the broker's adapter asks: with a limit of time. */
const ask = (index: number, timeoutMs = 300): Promise<Resolution> =>
  shop.broker.checkBack({ ...shop.broker.halves[index]!, messageId: 'm', round: 1, bornAt: new Date() }, AbortSignal.timeout(timeoutMs));

describe.each([ROW_FIRST, MARKER_FIRST])('A wire to the database that swallows everything, under $name', (strategy) => {
  it('makes every check-back UNKNOWN, and each is answered again when the wire is whole', async () => {
    const listener = orderListener('orders', strategy);
    publisher = await shop.start(listener);
    for (let index = 0; index < QUESTIONS; index++) await publisher.publish(listener, anOrder(`${strategy.name}-${index}`));
    const questions = Array.from({ length: QUESTIONS }, (_, index) => index);
    // As many connections for look-ups as there can be are open when the wire goes dead.
    await expect.poll(() => Promise.all(questions.map((index) => ask(index, 10_000))), PATIENCE).toEqual(questions.map(() => 'COMMIT'));
    shop.proxy.swallow();
    expect(await Promise.all(questions.map((index) => ask(index)))).toEqual(questions.map(() => 'UNKNOWN'));

    // What was asked is lost for good, as if the server had been replaced; its connections never say so.
    shop.proxy.pass();
    await expect.poll(() => Promise.all(questions.map((index) => ask(index, 2_000))), PATIENCE).toEqual(questions.map(() => 'COMMIT'));
  });

  it('makes publish() reject in its time, and take orders again when the wire is whole', async () => {
    const listener = orderListener('orders', strategy);
    publisher = await shop.start(listener, { poolSize: 2, connectionTimeoutMs: 2_000, transactionTimeoutMs: 3_000 });
    await publisher.publish(listener, anOrder(`${strategy.name}-before`));
    shop.proxy.swallow();
    const outcomes = await Promise.all(
      ['a', 'b', 'c'].map((name) => outcomeOf(publisher!.publish(listener, anOrder(`${strategy.name}-${name}`)))),
    );
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ code: expect.stringMatching(/CB_DATABASE_UNAVAILABLE|CB_LOCAL_TRANSACTION/), acted: 'no' });
    shop.proxy.pass();
    await expect.poll(() => outcomeOf(publisher!.publish(listener, anOrder(`${strategy.name}-again`))), PATIENCE).toEqual(RECEIPT);
  });
});

describe('A publisher whose database answers nothing any more', () => {
  it('closes all the same, in its time', async () => {
    const listener = orderListener('orders', ROW_FIRST);
    publisher = await shop.start(listener);
    await publisher.publish(listener, anOrder('before-close'));
    await expect.poll(() => ask(0, 10_000), PATIENCE).toBe('COMMIT');
    shop.proxy.swallow();
    expect(await ask(0)).toBe('UNKNOWN');
    const isLate = new Promise((resolve) => setTimeout(resolve, 10_000, 'still open after 10 s'));
    expect(await Promise.race([publisher.close(500).then(() => 'closed'), isLate])).toBe('closed');
  });
});

describe('A COMMIT whose connection died', () => {
  it('is looked up at once: nobody waits for a dead connection to die', async () => {
    const listener = orderListener('orders', MARKER_FIRST);
    publisher = await shop.start(listener);
    await publisher.publish(listener, anOrder('warm'));
    const lost = shop.proxy.intercept(/^commit$/i, async (commit) => {
      await commit.forward();
      // The server has not noticed: KILL finds its session.
      commit.cutClient();
    });
    const fired: (number | undefined)[] = [];
    const setRealTimeout = globalThis.setTimeout;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation((callback: () => void, ms?: number) =>
      setRealTimeout(() => {
        fired.push(ms);
        callback();
      }, ms),
    );
    expect(await publisher.publish(listener, anOrder('lost'))).toEqual(RECEIPT);
    await lost;
    expect(fired.filter((ms) => ms !== undefined && ms >= 2_000)).toEqual([]);
  });
});
