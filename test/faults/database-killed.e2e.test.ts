/* oxlint-disable vitest/no-conditional-expect -- what must hold depends on the outcome, which is not this test's to choose */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PlaceOrder } from '../../listeners/index.ts';
import {
  LocalTransactionError,
  TransactionInDoubtError,
  type TransactionDiagnostics,
  type TransactionListener,
  type TransactionalPublisher,
  mysqlTransactionDatabase,
  rocketmq,
} from '../../src/index.ts';
import { type HeldStatement, type MysqlProxy, startMysqlProxy } from '../support/mysql-proxy.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { type Shop, openShop } from '../support/publishing-shop.ts';
import { useStack } from '../support/stack.ts';
import { type Deliveries, collectDeliveries, deliverSentinel, outcomeOf } from './support/deliveries.ts';
import { type PrivateDatabase, startPrivateDatabase } from './support/private-database.ts';
import { STRATEGIES, orderListener } from './support/strategies.ts';

const PATIENCE = { timeout: 60_000, interval: 100 };

let home: PrivateDatabase;
let shop: Shop;
let proxy: MysqlProxy;
let deliveries: Deliveries;
let checked: TransactionDiagnostics['checked'][] & Disposable;
let broker: ReturnType<typeof watchedBroker>;
let listeners: TransactionListener<PlaceOrder>[];
/** Where `execute` waits before it writes anything. */
let beforeInsert: () => Promise<void> = async () => {};
let publisher: TransactionalPublisher | undefined;

beforeAll(async () => {
  home = await startPrivateDatabase();
  const { endpoints, admin } = useStack();
  shop = await openShop('database_killed', { endpoints, admin, mysqlUrl: home.mysqlUrl });
  proxy = shop.use(await startMysqlProxy(shop.database.url));
  deliveries = shop.use(collectDeliveries(await shop.startConsumer()));
  checked = collectEvents('checked');
  listeners = STRATEGIES.map((strategy) =>
    orderListener(shop.topic, strategy, (execute) => async (em, order, context) => {
      await beforeInsert();
      return execute(em, order, context);
    }),
  );
});
afterEach(async () => {
  beforeInsert = async () => {};
  // A test that failed leaves the next one a database all the same.
  home.server.kill('SIGCONT');
  await home.server.start();
  await publisher?.close();
});
afterAll(async () => {
  checked?.[Symbol.dispose]();
  await shop?.[Symbol.asyncDispose]();
  await home?.[Symbol.asyncDispose]();
});

async function startPublisher(inDoubtTimeoutMs: number): Promise<void> {
  broker = watchedBroker(rocketmq({ endpoints: shop.endpoints }), ({ keys }) => keys[0]!.startsWith('endless'));
  const database = mysqlTransactionDatabase(await shop.openOrm({ url: proxy.through(shop.database.url), poolSize: 8 }));
  publisher = await shop.startPublisher({ broker, database, listeners, inDoubtTimeoutMs, transactionTimeoutMs: 5_000 });
}

/** Resolves for everybody once all have come. */
function barrier(count: number): () => Promise<void> {
  const all = Promise.withResolvers<void>();
  let waiting = 0;
  return () => {
    if (++waiting === count) all.resolve();
    return all.promise;
  };
}

/** One order under each strategy at once. */
const publishAll = (prefix: string): Promise<unknown[]> =>
  Promise.all(listeners.map((listener) => outcomeOf(publisher!.publish(listener, anOrder(`${prefix}-${listener.name}`)))));

/** Takes the COMMIT of each of them; `take` runs when all have come. */
function interceptCommits(take: (commits: readonly HeldStatement[]) => Promise<void>): Promise<unknown> {
  const arrived = barrier(listeners.length);
  const commits: HeldStatement[] = [];
  let taken: Promise<void> | undefined;
  return Promise.all(
    listeners.map(() =>
      proxy.intercept(/^commit$/i, async (commit) => {
        commits.push(commit);
        await arrived();
        await (taken ??= take(commits));
      }),
    ),
  );
}

/** I8, I1 and I2, when the database is there again: every outcome told the truth, every half message is settled as the rows say. */
async function expectTruth(prefix: string, outcomes: readonly unknown[]): Promise<{ committed: string[] }> {
  const halves = broker.halves
    .filter(({ keys }) => keys[0]!.startsWith(prefix))
    .map(({ keys, properties }) => ({ orderId: keys[0]!, transactionId: properties['checkback-tx']! }));
  const settled = (): Set<string> =>
    new Set([
      ...broker.ends.filter(({ dropped }) => !dropped).map(({ message }) => message.properties['checkback-tx']!),
      ...checked.filter(({ resolution }) => resolution !== 'UNKNOWN').map(({ transactionId }) => transactionId),
    ]);
  await expect.poll(() => halves.filter(({ transactionId }) => !settled().has(transactionId)), PATIENCE).toEqual([]);
  const rows = await shop.orderIds();
  const committed = listeners.map(({ name }) => `${prefix}-${name}`).filter((orderId) => rows.includes(orderId));
  for (const [index, outcome] of outcomes.entries()) {
    const orderId = `${prefix}-${listeners[index]!.name}`;
    if (outcome instanceof TransactionInDoubtError) continue;
    if (outcome instanceof Error) expect(outcome, orderId).toBeInstanceOf(LocalTransactionError);
    expect(committed.includes(orderId), `${orderId}: ${String(outcome)}`).toBe(!(outcome instanceof Error));
  }
  for (const orderId of committed) await deliveries.until(orderId);
  await deliverSentinel(publisher!, listeners[0]!, deliveries);
  expect([...deliveries.ids()].filter((id) => id.startsWith(prefix)).toSorted()).toEqual(committed.toSorted());
  const isCommitted = new Map(halves.map(({ orderId, transactionId }) => [transactionId, committed.includes(orderId)]));
  for (const { transactionId, resolution } of checked) {
    const truth = isCommitted.get(transactionId);
    if (truth !== undefined) expect(resolution).not.toBe(truth ? 'ROLLBACK' : 'COMMIT');
  }
  return { committed };
}

describe('A database that is killed', () => {
  it('before INSERT: every order is rejected with LocalTransactionError, none is delivered', async () => {
    await startPublisher(1_000);
    const arrived = barrier(listeners.length);
    let killed: Promise<void> | undefined;
    beforeInsert = async () => {
      await arrived();
      await (killed ??= home.kill());
    };
    const outcomes = await publishAll('before-insert');
    for (const outcome of outcomes) expect(outcome).toBeInstanceOf(LocalTransactionError);
    beforeInsert = async () => {};
    await home.server.start();
    expect(await expectTruth('before-insert', outcomes)).toEqual({ committed: [] });
  });

  const points: readonly [string, (commits: readonly HeldStatement[]) => Promise<void>, 'none' | 'some' | 'all'][] = [
    ['before COMMIT', () => home.kill(), 'none'],
    [
      'during COMMIT',
      async (commits) => {
        for (const commit of commits) commit.forward().catch(() => {});
        await home.kill();
      },
      'some',
    ],
    [
      'after COMMIT, before its OK',
      async (commits) => {
        await Promise.all(commits.map((commit) => commit.forward()));
        await home.kill();
      },
      'all',
    ],
  ];

  it.each(points)('%s, and away for long: TransactionInDoubtError, and the check-back finds the truth', async (point, take, applied) => {
    await startPublisher(500);
    const prefix = `${point.replaceAll(/\W+/g, '-')}-long`;
    const [outcomes] = await Promise.all([publishAll(prefix), interceptCommits(take)]);
    for (const outcome of outcomes) expect(outcome).toBeInstanceOf(TransactionInDoubtError);
    expect(broker.ends).toEqual([]);
    await home.server.start();
    const { committed } = await expectTruth(prefix, outcomes);
    if (applied !== 'some') expect(committed).toHaveLength(applied === 'all' ? listeners.length : 0);
  });

  it.each(points)('%s, and back at once: publish() finds the truth itself', async (point, take, applied) => {
    await startPublisher(60_000);
    const prefix = `${point.replaceAll(/\W+/g, '-')}-short`;
    const [outcomes] = await Promise.all([publishAll(prefix), interceptCommits(take).then(() => home.server.start())]);
    for (const outcome of outcomes) expect(outcome).not.toBeInstanceOf(TransactionInDoubtError);
    const { committed } = await expectTruth(prefix, outcomes);
    if (applied !== 'some') expect(committed).toHaveLength(applied === 'all' ? listeners.length : 0);
  });
});

describe('A database that is frozen during COMMIT', () => {
  it('leaves the orders in doubt, and says the truth when it goes on', async () => {
    await startPublisher(500);
    const frozen = interceptCommits(async (commits) => {
      await home.freeze();
      for (const commit of commits) commit.pass();
    });
    const [outcomes] = await Promise.all([publishAll('frozen'), frozen]).finally(() => home.server.kill('SIGCONT'));
    for (const outcome of outcomes) expect(outcome).toBeInstanceOf(TransactionInDoubtError);
    await expectTruth('frozen', outcomes);
  });
});

describe('A database that is down when the broker asks', () => {
  it('makes the answer UNKNOWN round after round, and everything committed is delivered when it is back', async () => {
    await startPublisher(500);
    const outcomes = await publishAll('endless');
    await home.kill();
    const ids = outcomes.map((outcome) => (outcome as { transactionId: string }).transactionId);
    const roundsOf = (id: string) => checked.filter(({ transactionId }) => transactionId === id);
    const isDown = (id: string): boolean => roundsOf(id).filter(({ resolution }) => resolution === 'UNKNOWN').length >= 3;
    await expect
      .poll(() => ids.filter((id) => !isDown(id) && !roundsOf(id).some(({ resolution }) => resolution === 'COMMIT')), PATIENCE)
      .toEqual([]);
    expect(ids.filter(isDown).length).toBeGreaterThan(0);
    await home.server.start();
    const { committed } = await expectTruth('endless', outcomes);
    expect(committed).toHaveLength(listeners.length);
  });
});
