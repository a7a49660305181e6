import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  LocalTransactionError,
  TransactionInDoubtError,
  type TransactionalPublisher,
  mysqlTransactionDatabase,
  rocketmq,
} from '../../src/index.ts';
import { type HeldStatement, type MysqlProxy, startMysqlProxy } from '../support/mysql-proxy.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { type Shop, openShop } from '../support/publishing-shop.ts';
import { type Deliveries, collectDeliveries, deliverSentinel, outcomeOf } from './support/deliveries.ts';
import { STRATEGIES, orderListener } from './support/strategies.ts';

const PATIENCE = { timeout: 30_000, interval: 50 };
const RECEIPT = { transactionId: expect.any(String), correlationId: expect.any(String) };

let shop: Shop;
let proxy: MysqlProxy;
let broker: ReturnType<typeof watchedBroker>;
let publisher: TransactionalPublisher;
let deliveries: Deliveries;
const listeners = new Map<string, ReturnType<typeof orderListener>>();

beforeAll(async () => {
  shop = await openShop('in_doubt');
  proxy = shop.use(await startMysqlProxy(shop.database.url));
  for (const strategy of STRATEGIES) listeners.set(strategy.name, orderListener(shop.topic, strategy));
  broker = watchedBroker(rocketmq({ endpoints: shop.endpoints }));
  const database = mysqlTransactionDatabase(await shop.openOrm({ url: proxy.through(shop.database.url), poolSize: 4 }));
  publisher = await shop.startPublisher({ broker, database, listeners: [...listeners.values()], inDoubtTimeoutMs: 1_500 });
  deliveries = shop.use(collectDeliveries(await shop.startConsumer()));
});
afterAll(() => shop?.[Symbol.asyncDispose]());
beforeEach(() => proxy.pass());

describe.each(STRATEGIES)('A COMMIT whose answer is lost, under $name', ({ name }) => {
  const publish = (orderId: string) => outcomeOf(publisher.publish(listeners.get(name)!, anOrder(orderId)));
  const endsOf = (orderId: string) => broker.ends.filter(({ message }) => message.keys[0] === orderId).map(({ resolution }) => resolution);
  const losingCommit = (take: (commit: HeldStatement) => void | Promise<void>) => proxy.intercept(/^commit$/i, take);

  it('resolves when the server applied it, and the message is delivered', async () => {
    const orderId = `${name}-applied`;
    const lost = losingCommit(async (commit) => {
      await commit.forward();
      commit.cut();
    });
    const [outcome] = await Promise.all([publish(orderId), lost]);
    expect(outcome).toEqual(RECEIPT);
    expect(await shop.orderIds()).toContain(orderId);
    await deliveries.until(orderId);
    await expect.poll(() => endsOf(orderId), PATIENCE).toEqual(['COMMIT']);
  });

  it.each([
    ['never reached the server', (commit: HeldStatement, _outcome: Promise<unknown>) => commit.cut()],
    [
      'reaches the server only after publish() has settled',
      async (commit: HeldStatement, outcome: Promise<unknown>) => {
        commit.cutClient();
        await outcome;
        await expect(commit.forward()).rejects.toThrow(/connection was closed/);
      },
    ],
  ])('rejects with LocalTransactionError when it %s, and nothing is ever delivered', async (what, take) => {
    const orderId = `${name}-not-applied-${what.length}`;
    const settled = Promise.withResolvers<unknown>();
    const lost = losingCommit((commit) => take(commit, settled.promise));
    const outcome = await publish(orderId);
    settled.resolve(outcome);
    await lost;
    expect(outcome).toBeInstanceOf(LocalTransactionError);
    expect(outcome).toMatchObject({ reason: 'refused', acted: 'no' });
    await expect.poll(() => endsOf(orderId), PATIENCE).toEqual(['ROLLBACK']);
    await deliverSentinel(publisher, listeners.get(name)!, deliveries);
    expect(deliveries.ids()).not.toContain(orderId);
    expect(await shop.orderIds()).not.toContain(orderId);
  });

  it.each([
    ['applied', 'COMMIT'],
    ['not applied', 'ROLLBACK'],
  ] as const)(
    'rejects with TransactionInDoubtError when the database stays away, sends no END, and the check-back settles it: %s',
    async (what, truth) => {
      using checked = collectEvents('checked');
      const orderId = `${name}-away-${truth}`;
      const lost = losingCommit(async (commit) => {
        if (truth === 'COMMIT') await commit.forward();
        commit.cut();
        proxy.goDown();
      });
      const [error] = await Promise.all([publish(orderId), lost]);
      expect(error, what).toBeInstanceOf(TransactionInDoubtError);
      const { transactionId, acted } = error as TransactionInDoubtError;
      expect(acted).toBe('maybe');
      const answers = () => new Set(checked.filter((event) => event.transactionId === transactionId).map(({ resolution }) => resolution));
      expect([...answers()].filter((resolution) => resolution !== 'UNKNOWN')).toEqual([]);
      expect(endsOf(orderId)).toEqual([]);

      proxy.pass();
      await expect.poll(answers, PATIENCE).toContain(truth);
      if (truth === 'COMMIT') await deliveries.until(orderId);
      else await deliverSentinel(publisher, listeners.get(name)!, deliveries);
      expect(deliveries.ids().has(orderId)).toBe(truth === 'COMMIT');
      expect((await shop.orderIds()).includes(orderId)).toBe(truth === 'COMMIT');
      expect(answers()).not.toContain(truth === 'COMMIT' ? 'ROLLBACK' : 'COMMIT');
      expect(endsOf(orderId)).toEqual([]);
    },
  );
});
