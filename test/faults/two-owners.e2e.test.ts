import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeStack } from '../../src/cli/stack/native-stack.ts';
import { type TransactionalBroker, rocketmq } from '../../src/index.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { openShop } from '../support/publishing-shop.ts';
import { startPrivateStack } from '../support/stack.ts';
import { collectDeliveries } from './support/deliveries.ts';
import { ROW_FIRST, orderListener } from './support/strategies.ts';

const PATIENCE = { timeout: 100_000, interval: 200 };
/** More rounds than chance would explain. */
const STARVED_ROUNDS = 10;
const MOST_PAIRS = 20;

// A broker that nobody else asks anything of: its turns are exact.
let stack: NativeStack;
beforeAll(async () => {
  stack = await startPrivateStack();
});
afterAll(async () => {
  await stack.close();
});

/** Two services that share a topic, both online, whose every END is lost. */
async function openTwoServices(broker: TransactionalBroker) {
  const resources = new AsyncDisposableStack();
  const shop = resources.use(await openShop('two-owners', stack));
  const deliveries = resources.use(collectDeliveries(await shop.startConsumer()));
  const listener = orderListener(shop.topic, ROW_FIRST);
  const publishers = await Promise.all(
    ['shop', 'other-service'].map((owner) =>
      shop.startPublisher({ owner, broker: watchedBroker(broker, () => true), listeners: [listener] }),
    ),
  );
  return {
    deliveries,
    /**
     * One order of each service, in alternating sequence. Two producers and two halves that are asked about in one scan: each
     * producer meets the same half in every round, and as often as not the wrong one.
     */
    async publishPair(pair: number): Promise<string[]> {
      const services = pair % 2 === 0 ? publishers : publishers.toReversed();
      const orders = services.map((_, index) => `${pair}-${index}`);
      for (const [index, service] of services.entries()) await service.publish(listener, anOrder(orders[index]!));
      return orders;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** The same broker, whose producers cannot step aside. */
const persistent = (broker: TransactionalBroker): TransactionalBroker => ({
  async startTransactionalProducer(options) {
    const { sendHalf, close } = await broker.startTransactionalProducer(options).then((producer) => ({
      sendHalf: producer.sendHalf.bind(producer),
      close: producer.close.bind(producer),
    }));
    return { sendHalf, close };
  },
});

describe('Two services on one topic, both online', () => {
  it('settle all their orders, although the broker asks its producers strictly in turn', async () => {
    using foreign = collectEvents('foreign-owner');
    using checked = collectEvents('checked');
    await using services = await openTwoServices(rocketmq({ endpoints: stack.endpoints }));
    for (const pair of [0, 1, 2, 3]) for (const orderId of await services.publishPair(pair)) await services.deliveries.until(orderId);
    expect(new Set(foreign.map(({ owner }) => owner))).toEqual(new Set(['shop', 'other-service']));
    expect(checked.map(({ resolution }) => resolution)).not.toContain('ROLLBACK');
  });

  it('would starve each other if neither ever stepped aside', async () => {
    using checked = collectEvents('checked');
    await using services = await openTwoServices(persistent(rocketmq({ endpoints: stack.endpoints })));
    const isStarved = (): boolean => checked.some(({ round }) => round >= STARVED_ROUNDS);
    const isSettled = (orders: string[]): boolean => orders.every((orderId) => services.deliveries.ids().has(orderId));
    for (let pair = 0; pair < MOST_PAIRS && !isStarved(); pair += 1) {
      const orders = await services.publishPair(pair);
      await expect.poll(() => isStarved() || isSettled(orders), PATIENCE).toBe(true);
    }
    expect(isStarved()).toBe(true);
  });
});
