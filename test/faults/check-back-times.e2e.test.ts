import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlaceOrder } from '../../listeners/index.ts';
import { OrderEntity } from '../../schema/index.ts';
import {
  type CheckBack,
  type CheckedHalfMessage,
  LocalTransactionError,
  type OutgoingMessage,
  type Resolution,
  type TransactionalBroker,
  type TransactionalPublisher,
  type TransactionListener,
  rocketmq,
} from '../../src/index.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { type Shop, openShop } from '../support/publishing-shop.ts';
import { type Deliveries, collectDeliveries, deliverSentinel, outcomeOf } from './support/deliveries.ts';
import { MARKER_FIRST, ROW_FIRST, ROW_OVERLAPPED, STRATEGIES, type Strategy, orderListener } from './support/strategies.ts';

const PATIENCE = { timeout: 40_000, interval: 50 };

/** The real broker; each of its questions is put to the publisher twice at once, and kept with both answers. */
interface CuriousBroker extends TransactionalBroker {
  readonly asked: { readonly half: CheckedHalfMessage; readonly answers: readonly Resolution[] }[];
  /** As the broker would, any number of times later. */
  ask: CheckBack;
  /** Keeps the receipt of a stored half message from its sender while it has not settled. */
  afterHalf: (message: OutgoingMessage) => Promise<void>;
}

function curiousBroker(broker: TransactionalBroker): CuriousBroker {
  const curious: CuriousBroker = {
    asked: [],
    ask: async () => 'UNKNOWN',
    afterHalf: async () => {},
    async startTransactionalProducer({ topics, checkBack }) {
      curious.ask = checkBack;
      const producer = await broker.startTransactionalProducer({
        topics,
        checkBack: async (half, signal) => {
          const answers = await Promise.all([checkBack(half, signal), checkBack(half, signal)]);
          curious.asked.push({ half, answers });
          return answers[0];
        },
      });
      return {
        ...producer,
        sendHalf: async (message) => {
          const half = await producer.sendHalf(message);
          await curious.afterHalf(message);
          return half;
        },
        close: (deadlineMs) => producer.close(deadlineMs),
      };
    },
  };
  return curious;
}

let shop: Shop;
let broker: CuriousBroker;
let publisher: TransactionalPublisher;
let deliveries: Deliveries;
const listeners = new Map<string, TransactionListener<PlaceOrder>>();
/** What `execute` waits for after it has written its row, by order. */
const openUntil = new Map<string, Promise<void>>();

const answersFor = (orderId: string): Resolution[] =>
  broker.asked.filter(({ half }) => half.keys[0] === orderId).flatMap(({ answers }) => answers);
const publish = (strategy: Strategy, orderId: string) => publisher.publish(listeners.get(strategy.name)!, anOrder(orderId));
/** Asked as often as anybody likes, when everything is over. */
const answersForEver = async (orderId: string): Promise<Resolution[]> => {
  const { half } = broker.asked.find((question) => question.half.keys[0] === orderId)!;
  const never = new AbortController().signal;
  const answers: Resolution[] = [];
  for (let round = 1; round <= 5; round++)
    answers.push(...(await Promise.all([broker.ask({ ...half, round }, never), broker.ask({ ...half, round }, never)])));
  return answers;
};
const always = (resolution: Resolution): Resolution[] => Array.from({ length: 10 }, () => resolution);

beforeAll(async () => {
  shop = await openShop('check_times');
  for (const strategy of STRATEGIES) {
    const listener = orderListener(shop.topic, strategy, (execute) => async (em, order, context) => {
      await execute(em, order, context);
      await em.flush();
      await openUntil.get(order.orderId);
      return 'COMMIT' as const;
    });
    listeners.set(strategy.name, listener);
  }
  // An order whose id says so loses its END.
  broker = curiousBroker(watchedBroker(rocketmq({ endpoints: shop.endpoints }), ({ keys }) => keys[0]!.includes('endless')));
  publisher = await shop.startPublisher({ broker, listeners: [...listeners.values()], transactionTimeoutMs: 60_000 });
  deliveries = shop.use(collectDeliveries(await shop.startConsumer()));
});
afterAll(() => shop?.[Symbol.asyncDispose]());

describe.each(STRATEGIES)('Check-backs, under $name', (strategy) => {
  const { name, half } = strategy;

  it('while the transaction is open: answered UNKNOWN again and again, and the message is delivered after COMMIT', async () => {
    const orderId = `open-${name}`;
    const gate = Promise.withResolvers<void>();
    if (half === 'beforeCommit') broker.afterHalf = async ({ keys }) => (keys[0] === orderId ? gate.promise : undefined);
    else openUntil.set(orderId, gate.promise);
    const published = publish(strategy, orderId);
    await expect.poll(() => answersFor(orderId).length, PATIENCE).toBeGreaterThanOrEqual(4);
    expect(new Set(answersFor(orderId))).toEqual(new Set(['UNKNOWN']));
    expect(deliveries.ids()).not.toContain(orderId);
    gate.resolve();
    await published;
    await deliveries.until(orderId);
    expect(answersFor(orderId)).not.toContain('ROLLBACK');
    expect(await answersForEver(orderId)).toEqual(always('COMMIT'));
  });

  it('after COMMIT, its END lost: answered COMMIT, delivered, and the same for ever whatever becomes of the row', async () => {
    const orderId = `endless-${name}`;
    await publish(strategy, orderId);
    await deliveries.until(orderId);
    expect(new Set(answersFor(orderId))).toEqual(new Set(['COMMIT']));
    await shop.orm.em.fork().nativeUpdate(OrderEntity, { id: orderId }, { status: 'PAID' });
    expect(await answersForEver(orderId)).toEqual(always('COMMIT'));
  });
});

/** Publishes an order whose transaction begins, or writes its row, only when it was asked about. */
async function publishLate(strategy: Strategy, orderId: string): Promise<unknown> {
  const isAsked = async (): Promise<void> => {
    await expect.poll(() => answersFor(orderId).length, PATIENCE).toBeGreaterThan(0);
  };
  if (strategy.half === 'first') broker.afterHalf = async ({ keys }) => (keys[0] === orderId ? isAsked() : undefined);
  else openUntil.set(orderId, isAsked());
  return outcomeOf(publish(strategy, orderId));
}

describe.each([ROW_FIRST, ROW_OVERLAPPED])('A check-back before BEGIN, under $name', (strategy) => {
  it('is answered UNKNOWN, and the order is delivered after COMMIT', async () => {
    const orderId = `before-${strategy.name}`;
    expect(await publishLate(strategy, orderId)).not.toBeInstanceOf(Error);
    await deliveries.until(orderId);
    expect(answersFor(orderId)[0]).toBe('UNKNOWN');
    expect(answersFor(orderId)).not.toContain('ROLLBACK');
    expect(await answersForEver(orderId)).toEqual(always('COMMIT'));
  });
});

describe('A check-back before BEGIN, under marker-first', () => {
  it('decides ROLLBACK: the order is refused, told so, and never delivered', async () => {
    const orderId = 'before-marker';
    expect(await publishLate(MARKER_FIRST, orderId)).toBeInstanceOf(LocalTransactionError);
    expect(new Set(answersFor(orderId))).toEqual(new Set(['ROLLBACK']));
    await deliverSentinel(publisher, listeners.get(MARKER_FIRST.name)!, deliveries);
    expect(deliveries.ids()).not.toContain(orderId);
    expect(await shop.orderIds()).not.toContain(orderId);
    expect(await answersForEver(orderId)).toEqual(always('ROLLBACK'));
  });
});

describe('Both answers to a question asked twice at once', () => {
  it('are the same, in every test of this file', () => {
    expect(broker.asked.length).toBeGreaterThan(STRATEGIES.length);
    expect(broker.asked.filter(({ answers }) => answers[0] !== answers[1])).toEqual([]);
  });
});
