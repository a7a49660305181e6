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
import { STRATEGIES, type Strategy, orderListener } from './support/strategies.ts';

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

const answersFor = (orderId: string): Resolution[] => broker.asked.filter(({ half }) => half.keys[0] === orderId).flatMap(({ answers }) => answers);
const publish = (strategy: Strategy, orderId: string) => publisher.publish(listeners.get(strategy.name)!, anOrder(orderId));
/** Asked as often as anybody likes, when everything is over. */
const answersForEver = async (orderId: string): Promise<Resolution[]> => {
  const { half } = broker.asked.find((question) => question.half.keys[0] === orderId)!;
  const never = new AbortController().signal;
  const answers: Resolution[] = [];
  for (let round = 1; round <= 5; round++) answers.push(...(await Promise.all([broker.ask({ ...half, round }, never), broker.ask({ ...half, round }, never)])));
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
      return 'COMMIT';
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
  const { name, lookup, half } = strategy;

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

  if (half !== 'beforeCommit') {
    it('before BEGIN: nothing is lost, and no ghost', async () => {
      const orderId = `before-${name}`;
      broker.afterHalf = async ({ keys }) => {
        if (keys[0] === orderId) await expect.poll(() => answersFor(orderId).length, PATIENCE).toBeGreaterThan(0);
      };
      if (half === 'overlapped') {
        // Nothing is before BEGIN then: the half is stored first, and the row comes late.
        openUntil.set(orderId, expect.poll(() => answersFor(orderId).length, PATIENCE).toBeGreaterThan(0) as Promise<void>);
      }
      const outcome = await outcomeOf(publish(strategy, orderId));
      const answers = new Set(answersFor(orderId));
      if (lookup.kind === 'transactionMarker') {
        // The check-back has decided it: the order is refused, and told so.
        expect(answers).toEqual(new Set(['ROLLBACK']));
        expect(outcome).toBeInstanceOf(LocalTransactionError);
        await deliverSentinel(publisher, listeners.get(name)!, deliveries);
        expect(deliveries.ids()).not.toContain(orderId);
        expect(await shop.orderIds()).not.toContain(orderId);
        expect(await answersForEver(orderId)).toEqual(always('ROLLBACK'));
      } else {
        expect(outcome).not.toBeInstanceOf(Error);
        await deliveries.until(orderId);
        expect(answers).not.toContain('ROLLBACK');
        expect(await answersForEver(orderId)).toEqual(always('COMMIT'));
      }
    });
  }
});

describe('Both answers to a question asked twice at once', () => {
  it('are the same, in every test of this file', () => {
    expect(broker.asked.length).toBeGreaterThan(STRATEGIES.length);
    expect(broker.asked.filter(({ answers }) => answers[0] !== answers[1])).toEqual([]);
  });
});
