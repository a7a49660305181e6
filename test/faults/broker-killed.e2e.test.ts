/* oxlint-disable vitest/no-conditional-expect -- what must hold depends on the outcome, which is not this test's to choose */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { NativeStack } from '../../src/cli/stack/native-stack.ts';
import {
  HalfMessageError,
  LocalTransactionError,
  type TransactionalBroker,
  type TransactionalPublisher,
  rocketmq,
} from '../../src/index.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { type Shop, openShop } from '../support/publishing-shop.ts';
import { startPrivateStack } from '../support/stack.ts';
import { type Deliveries, collectDeliveries, outcomeOf } from './support/deliveries.ts';
import { STRATEGIES, orderListener } from './support/strategies.ts';

const PATIENCE = { timeout: 90_000, interval: 200 };
const ORDERS_EACH = 3;
/** Ten minutes of the broker's own time: it asks every second here, every thirty seconds as shipped. */
const ROUNDS_AWAY = 20;

/** The real broker, with a place to stand before a half message leaves, after it is stored, and before END leaves. */
interface SteppedBroker extends TransactionalBroker {
  step: (at: 'sending' | 'stored' | 'ending') => Promise<void>;
}

function steppedBroker(broker: TransactionalBroker): SteppedBroker {
  const stepped: SteppedBroker = {
    step: async () => {},
    async startTransactionalProducer(options) {
      const producer = await broker.startTransactionalProducer(options);
      return {
        close: (deadlineMs) => producer.close(deadlineMs),
        sendHalf: async (message) => {
          const sending = producer.sendHalf(message);
          sending.catch(() => {});
          await stepped.step('sending');
          const half = await sending;
          await stepped.step('stored');
          return {
            messageId: half.messageId,
            end: async (resolution) => {
              await stepped.step('ending');
              await half.end(resolution);
            },
          };
        },
      };
    },
  };
  return stepped;
}

let stack: NativeStack;
let shop: Shop;
let broker: SteppedBroker;
let publisher: TransactionalPublisher;
let deliveries: Deliveries;
let listeners: ReturnType<typeof orderListener>[];

beforeAll(async () => {
  stack = await startPrivateStack();
  shop = await openShop('broker_killed', stack);
  listeners = STRATEGIES.map((strategy) => orderListener(shop.topic, strategy));
  broker = steppedBroker(rocketmq({ endpoints: stack.endpoints, requestTimeoutMs: 2_000 }));
  publisher = await shop.startPublisher({ broker, listeners, poolSize: 40, transactionTimeoutMs: 60_000 });
  deliveries = shop.use(collectDeliveries(await shop.startConsumer()));
});
afterEach(() => {
  broker.step = async () => {};
});
afterAll(async () => {
  await shop?.[Symbol.asyncDispose]();
  await stack?.close();
});

/** Orders under every strategy at once; one in three decides ROLLBACK. */
async function publishMany(prefix: string): Promise<Map<string, unknown>> {
  const orders = listeners.flatMap((listener) =>
    Array.from({ length: ORDERS_EACH }, (_, index) => ({
      listener,
      orderId: `${prefix}-${listener.name}-${index}`,
      amountMinor: index === 1 ? 0 : 100,
    })),
  );
  const outcomes = await Promise.all(
    orders.map(
      async ({ listener, orderId, amountMinor }) =>
        [orderId, await outcomeOf(publisher.publish(listener, anOrder(orderId, { amountMinor })))] as const,
    ),
  );
  return new Map(outcomes);
}

/** kill -9 as soon as `count` have come to the step; all of them go on when the broker is gone. */
function killAt(at: 'sending' | 'stored' | 'ending', count: number): Promise<void> {
  const killed = Promise.withResolvers<void>();
  let arrived = 0;
  broker.step = async (step) => {
    if (step !== at) return;
    if (++arrived === count) await kill().then(killed.resolve, killed.reject);
    await killed.promise;
  };
  return killed.promise;
}

async function kill(): Promise<void> {
  stack.broker.kill('SIGKILL');
  await stack.broker.waitForExit();
}

/** I8, and delivered = committed once the broker is back and whatever was asked is answered. */
async function expectDeliveredIsCommitted(prefix: string, outcomes: ReadonlyMap<string, unknown>): Promise<string[]> {
  const committed = (await shop.orderIds()).filter((id) => id.startsWith(prefix));
  const resolved = [...outcomes].filter(([, outcome]) => !(outcome instanceof Error)).map(([orderId]) => orderId);
  expect(committed).toEqual(resolved.toSorted());
  for (const outcome of outcomes.values()) {
    if (outcome instanceof Error)
      expect(outcome instanceof HalfMessageError || outcome instanceof LocalTransactionError, String(outcome)).toBe(true);
  }
  const missing = () => committed.filter((id) => !deliveries.ids().has(id));
  await expect.poll(missing, PATIENCE).toEqual([]);
  // A half whose END was lost would be asked about, and so settled, before this one's.
  let tries = 0;
  const sentinel = () => `${prefix}-sentinel-${tries}`;
  await expect
    .poll(() => outcomeOf(publisher.publish(listeners[0]!, anOrder(`${prefix}-sentinel-${++tries}`))), PATIENCE)
    .not.toBeInstanceOf(Error);
  await deliveries.until(sentinel());
  const delivered = [...deliveries.ids()].filter((id) => id.startsWith(prefix) && !id.includes('sentinel'));
  expect(delivered.toSorted()).toEqual(committed);
  return committed;
}

describe('A broker that is killed', () => {
  it('before it has confirmed the half messages: every order is refused, and whatever halves it stored are never delivered', async () => {
    const killed = killAt('sending', 3 * ORDERS_EACH + 2 * (ORDERS_EACH - 1));
    const outcomes = await publishMany('unconfirmed');
    await killed;
    await stack.broker.start();
    await expectDeliveredIsCommitted('unconfirmed', outcomes);
  });

  it('after it has confirmed the half messages, before COMMIT: the orders stand, and are delivered', async () => {
    using failed = collectEvents('end-failed');
    const killed = killAt('stored', 3 * ORDERS_EACH + 2 * (ORDERS_EACH - 1));
    const outcomes = await publishMany('confirmed');
    await killed;
    await stack.broker.start();
    const committed = await expectDeliveredIsCommitted('confirmed', outcomes);
    expect(committed).toHaveLength(STRATEGIES.length * (ORDERS_EACH - 1));
    expect(failed.length).toBeGreaterThan(0);
  });

  it('between COMMIT and END: no order fails because of its END, and all are delivered', async () => {
    const killed = killAt('ending', 3 * ORDERS_EACH + 2 * (ORDERS_EACH - 1));
    const outcomes = await publishMany('unended');
    await killed;
    await stack.broker.start();
    const committed = await expectDeliveredIsCommitted('unended', outcomes);
    expect(committed).toHaveLength(STRATEGIES.length * (ORDERS_EACH - 1));
  });

  it('right after END, before its op records are written: all are delivered', async () => {
    using ended = collectEvents('ended');
    const outcomes = await publishMany('ended');
    await expect.poll(() => ended.length, PATIENCE).toBe(3 * ORDERS_EACH + 2 * (ORDERS_EACH - 1));
    await kill();
    await stack.broker.start();
    const committed = await expectDeliveredIsCommitted('ended', outcomes);
    expect(committed).toHaveLength(STRATEGIES.length * (ORDERS_EACH - 1));
  });
});

describe('A broker that is away for ten minutes of its own time', () => {
  it('refuses orders meanwhile, each fast and clearly, and delivers everything committed when it is back', async () => {
    const killed = killAt('ending', 3 * ORDERS_EACH + 2 * (ORDERS_EACH - 1));
    const outcomes = await publishMany('away');
    await killed;
    // Its clock is its check interval: that many rounds of one second do not happen.
    const goneSince = performance.now();
    let refused = 0;
    while (performance.now() - goneSince < ROUNDS_AWAY * 1_000) {
      const orderId = `away-meanwhile-${refused}`;
      const outcome = await outcomeOf(publisher.publish(listeners[0]!, anOrder(orderId)));
      expect(outcome).toBeInstanceOf(HalfMessageError);
      outcomes.set(orderId, outcome);
      refused += 1;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(refused).toBeGreaterThan(3);
    await stack.broker.start();
    const committed = await expectDeliveredIsCommitted('away', outcomes);
    expect(committed).toHaveLength(STRATEGIES.length * (ORDERS_EACH - 1));
  });
});
