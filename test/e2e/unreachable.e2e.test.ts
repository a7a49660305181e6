import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeStack } from '../../src/cli/stack/native-stack.ts';
import { DatabaseUnavailableError, HalfMessageError, LocalTransactionError, mysqlTransactionDatabase, rocketmq } from '../../src/index.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { deliveredUntil } from '../support/publishing-deliveries.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder, placeOrderOn } from '../support/publishing-listeners.ts';
import { type Shop, openShop } from '../support/publishing-shop.ts';
import { startPrivateStack } from '../support/stack.ts';
import { type TcpProxy, startTcpProxy } from '../support/tcp-proxy.ts';

/** On top of a configured time, for a busy machine. */
const SLACK_MS = 5_000;

/** What it resolved to, or the error it rejected with. */
const outcomeOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);
const TAKEN = { transactionId: expect.any(String), correlationId: expect.any(String) };

describe('A broker that is down at publish()', () => {
  const REQUEST_TIMEOUT_MS = 1_500;
  let stack: NativeStack;
  beforeAll(async () => {
    stack = await startPrivateStack();
  });
  afterAll(() => stack?.close());

  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'after %s rejects with HalfMessageError in its time, writes no row, and takes orders again when the broker is back',
    async (signal) => {
      await using shop = await openShop('broker_down', stack);
      const consumer = await shop.startConsumer();
      const publisher = await shop.startPublisher({
        broker: rocketmq({ endpoints: stack.endpoints, requestTimeoutMs: REQUEST_TIMEOUT_MS }),
      });
      await publisher.publish(shop.placeOrder, anOrder('before'));
      expect(await deliveredUntil(consumer, 'before')).toEqual(expect.arrayContaining(['before']));

      stack.broker.kill(signal);
      if (signal === 'SIGKILL') await stack.broker.waitForExit();
      const startedAt = performance.now();
      const error = await outcomeOf(publisher.publish(shop.placeOrder, anOrder('meanwhile')));
      expect(error).toBeInstanceOf(HalfMessageError);
      expect(error).toMatchObject({
        code: 'CB_HALF_MESSAGE',
        acted: 'no',
        retryable: true,
        message: expect.stringContaining(stack.endpoints),
      });
      expect(performance.now() - startedAt).toBeLessThan(REQUEST_TIMEOUT_MS + SLACK_MS);
      expect(await shop.orderIds()).toEqual(['before']);

      if (signal === 'SIGSTOP') stack.broker.kill('SIGCONT');
      else await stack.broker.start();
      // Each try is an order of its own: one whose half was not confirmed is never repeated.
      let tries = 0;
      await expect
        .poll(() => outcomeOf(publisher.publish(shop.placeOrder, anOrder(`after-${++tries}`))), { timeout: 60_000, interval: 500 })
        .toEqual(TAKEN);
      const delivered = await deliveredUntil(consumer, `after-${tries}`);
      expect(delivered).not.toContain('meanwhile');
      expect(await shop.orderIds()).toEqual([`after-${tries}`, 'before']);
    },
  );
});

describe('A database that cannot be reached', () => {
  let shop: Shop;
  let wire: TcpProxy;
  let url: string;
  beforeAll(async () => {
    shop = await openShop('database_away');
    const { hostname, port } = new URL(shop.database.url);
    wire = shop.use(await startTcpProxy({ host: hostname, port: Number(port) }));
    url = Object.assign(new URL(shop.database.url), { host: `${wire.host}:${wire.port}` }).href;
  });
  afterAll(() => shop?.[Symbol.asyncDispose]());

  it.each(['refuse', 'blackhole'] as const)(
    'before the half message (%s): rejects with DatabaseUnavailableError in its time, nothing is sent, and it recovers',
    async (fault) => {
      const CONNECTION_TIMEOUT_MS = 1_000;
      const broker = watchedBroker(rocketmq({ endpoints: shop.endpoints }));
      const database = mysqlTransactionDatabase(await shop.openOrm({ url, poolSize: 4 }));
      const publisher = await shop.startPublisher({ broker, database, connectionTimeoutMs: CONNECTION_TIMEOUT_MS });
      const before = await shop.orderIds();
      await wire[fault]();
      const startedAt = performance.now();
      // More than the pool has: those that wait for a connection end as those that have a dead one.
      const errors = await Promise.all(
        Array.from({ length: 10 }, (_, index) => outcomeOf(publisher.publish(shop.placeOrder, anOrder(`${fault}-${index}`)))),
      );
      expect(performance.now() - startedAt).toBeLessThan(CONNECTION_TIMEOUT_MS + SLACK_MS);
      for (const error of errors) {
        expect(error).toBeInstanceOf(DatabaseUnavailableError);
        expect(error).toMatchObject({ acted: 'no', retryable: true });
      }
      expect(broker.halves).toEqual([]);

      await wire.pass();
      expect(await shop.orderIds()).toEqual(before);
      await expect.poll(() => outcomeOf(publisher.publish(shop.placeOrder, anOrder(`${fault}-again`))), { timeout: 30_000 }).toEqual(TAKEN);
      await publisher.close();
    },
  );

  it('before the half message, its idle connections cut: the next order gets a new one or DatabaseUnavailableError, never a half message without a connection', async () => {
    const broker = watchedBroker(rocketmq({ endpoints: shop.endpoints }));
    const database = mysqlTransactionDatabase(await shop.openOrm({ url, poolSize: 4 }));
    const publisher = await shop.startPublisher({ broker, database });
    await Promise.all(Array.from({ length: 4 }, (_, index) => publisher.publish(shop.placeOrder, anOrder(`warm-${index}`))));
    const sent = broker.halves.length;
    wire.cut();
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) => outcomeOf(publisher.publish(shop.placeOrder, anOrder(`cut-${index}`)))),
    );
    const refused = outcomes.filter((outcome) => outcome instanceof DatabaseUnavailableError).length;
    const taken = outcomes.filter((outcome) => !(outcome instanceof Error)).length;
    expect(outcomes.filter((outcome) => outcome instanceof Error && !(outcome instanceof DatabaseUnavailableError))).toEqual([]);
    expect(refused + taken).toBe(8);
    expect(broker.halves.length - sent).toBe(taken);
    expect((await shop.orderIds()).filter((id) => id.startsWith('cut-'))).toHaveLength(taken);
    await publisher.close();
  });

  it.each([
    ['cut before its row is flushed', 'cut', false, 'threw'],
    ['cut with its row inserted, before COMMIT', 'cut', true, 'refused'],
    ['gone for good before its row is flushed', 'refuse', false, 'threw'],
    ['in a black hole before its row is flushed', 'blackhole', false, 'threw'],
  ] as const)(
    'inside execute, %s: rejects with LocalTransactionError, the half ends ROLLBACK, nothing is delivered or left in doubt',
    async (name, fault, isFlushed, reason) => {
      using inDoubt = collectEvents('in-doubt');
      using ended = collectEvents('ended');
      const orderId = `inside-${fault}-${isFlushed}`;
      const broker = watchedBroker(rocketmq({ endpoints: shop.endpoints }));
      const placeOrder = placeOrderOn(shop.topic, (execute) => async (em, order, context) => {
        const decision = await execute(em, order, context);
        if (order.orderId !== orderId) return decision;
        if (isFlushed) await em.flush();
        await wire[fault]();
        return decision;
      });
      const database = mysqlTransactionDatabase(await shop.openOrm({ url, poolSize: 4 }));
      const publisher = await shop.startPublisher({ broker, database, listeners: [placeOrder], transactionTimeoutMs: 2_000 });
      const consumer = await shop.startConsumer();

      const error = await outcomeOf(publisher.publish(placeOrder, anOrder(orderId)));
      expect(error, name).toBeInstanceOf(LocalTransactionError);
      expect(error, name).toMatchObject({ reason, acted: 'no' });
      await expect.poll(() => ended.map(({ resolution }) => resolution), { timeout: 10_000 }).toEqual(['ROLLBACK']);
      await wire.pass();

      const sentinel = `sentinel-of-${orderId}`;
      await expect.poll(() => outcomeOf(publisher.publish(placeOrder, anOrder(sentinel))), { timeout: 30_000 }).toEqual(TAKEN);
      const delivered = await deliveredUntil(consumer, sentinel);
      expect(delivered).not.toContain(orderId);
      expect(await shop.orderIds()).not.toContain(orderId);
      expect(broker.ends.filter(({ message }) => message.keys[0] === orderId)).toMatchObject([{ resolution: 'ROLLBACK' }]);
      expect(inDoubt).toHaveLength(0);
      await consumer.close();
      await publisher.close();
    },
  );
});
