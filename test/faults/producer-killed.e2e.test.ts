import { describe, expect, it } from 'vitest';
import { type HeldStatement, startMysqlProxy } from '../support/mysql-proxy.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { openShop } from '../support/publishing-shop.ts';
import { collectDeliveries, deliverSentinel } from './support/deliveries.ts';
import type { ParkingPlace } from './support/parking-producer.child.ts';
import { startParkingProducer } from './support/parking-producer.ts';
import { answersAbout, expectSettled } from './support/settled-truth.ts';
import { STRATEGIES, type Strategy, orderListener } from './support/strategies.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };

/** A step of publish(), and what there is when the producer dies at it. */
interface Step {
  readonly name: string;
  /** Where its own process stops it, or ... */
  readonly place?: ParkingPlace;
  /** ... the statement whose answer it never reads. */
  readonly statement?: RegExp;
  /** What becomes of that statement; `late` runs on the server long after the death. Default `executed`. */
  readonly fate?: 'executed' | 'lost' | 'late';
  readonly isCommitted?: true;
  /** Whether its half message is stored and has no END. */
  isAsked(strategy: Strategy): boolean;
  isStepOf?(strategy: Strategy): boolean;
}

const always = (): boolean => true;
const never = (): boolean => false;
const isMarked = ({ lookup }: Strategy): boolean => lookup.kind === 'transactionMarker';
const isHalfEarly = ({ half }: Strategy): boolean => half !== 'beforeCommit';
const isLocked = (strategy: Strategy): boolean => isHalfEarly(strategy) && !isMarked(strategy);

const STEPS: readonly Step[] = [
  { name: 'session lock taken', statement: /get_lock/, isAsked: never, isStepOf: isLocked },
  { name: 'half message leaving', place: 'half message leaving', isAsked: never },
  { name: 'half message stored', place: 'half message stored', isAsked: always },
  // The session lock ends autocommit: no BEGIN goes over the wire with it.
  { name: 'BEGIN', statement: /^(begin|start transaction)$/, isAsked: isHalfEarly, isStepOf: (strategy) => !isLocked(strategy) },
  { name: 'marker written', statement: /^insert into transaction_marker .* select/, isAsked: isHalfEarly, isStepOf: isMarked },
  { name: 'row inserted', statement: /^insert into `orders`/, isAsked: isHalfEarly },
  { name: 'before COMMIT is sent', place: 'before COMMIT is sent', isAsked: always },
  { name: 'COMMIT lost on its way', statement: /^commit$/, fate: 'lost', isAsked: always },
  { name: 'COMMIT on its way, arriving late', statement: /^commit$/, fate: 'late', isAsked: always, isCommitted: true },
  { name: 'COMMIT done, its OK unread', statement: /^commit$/, isAsked: always, isCommitted: true },
  { name: 'before END is sent', place: 'before END is sent', isAsked: always, isCommitted: true },
  { name: 'after END', place: 'after END', isAsked: never, isCommitted: true },
];

describe.each(STRATEGIES)('A producer killed with an order at each step of publish(), under $name', (strategy) => {
  const orders = STEPS.filter(({ isStepOf = always }) => isStepOf(strategy)).map((step) => ({
    step,
    orderId: `killed-at-${step.name.replaceAll(/\W+/g, '-').toLowerCase()}`,
    isAsked: step.isAsked(strategy),
    isCommitted: step.isCommitted === true,
  }));

  it('leaves its heir the truth: what committed is delivered, everything else is answered ROLLBACK', async () => {
    await using shop = await openShop('producer_killed');
    await using deliveries = collectDeliveries(await shop.startConsumer());
    await using proxy = await startMysqlProxy(shop.database.url);
    await using producer = await startParkingProducer({
      endpoints: shop.endpoints,
      mysqlUrl: proxy.through(shop.database.url),
      topic: shop.topic,
      poolSize: orders.length,
      transactionTimeoutMs: 120_000,
    });

    // One after the other: the statement that is held is then this order's.
    const held = new Map<string, HeldStatement>();
    for (const { orderId, step, isAsked } of orders) {
      const { statement, place, fate = 'executed' } = step;
      const taken = Promise.withResolvers<void>();
      if (statement !== undefined) {
        void proxy.intercept(statement, async (found) => {
          held.set(orderId, found);
          if (fate === 'executed') await found.forward();
          taken.resolve();
        });
      }
      producer.send({ kind: 'publish', orderId, strategy: strategy.name, place });
      if (statement !== undefined) await taken.promise;
      else await producer.hears('parked', orderId);
      if (isAsked) await producer.hears('stored', orderId);
    }

    producer.process.kill('SIGKILL');
    for (const { orderId, step } of orders) {
      if (step.fate === 'lost') held.get(orderId)!.cut();
      if (step.fate === 'late') held.get(orderId)!.cutClient();
    }
    const { how, stderr } = await producer.process.ended;
    expect({ how, stderr }).toEqual({ how: 'SIGKILL', stderr: '' });

    using checked = collectEvents('checked');
    const answers = (orderId: string) => answersAbout(orderId, producer, checked);
    const listener = orderListener(shop.topic, strategy);
    const heir = await shop.startPublisher({ listeners: [listener] });
    const { orderId: late } = orders.find(({ step }) => step.fate === 'late')!;
    const heirsAnswers = () => checked.filter(({ correlationId }) => correlationId === late).map(({ resolution }) => resolution);
    await expect.poll(() => heirsAnswers().length, PATIENCE).toBeGreaterThanOrEqual(3);
    expect(new Set(answers(late))).toEqual(new Set(['UNKNOWN']));
    expect(await shop.orderIds()).not.toContain(late);
    expect(await held.get(late)!.forward()).toBe('ok');
    held.get(late)!.cut();

    await expectSettled(shop, orders, answers, deliveries);
    await deliverSentinel(heir, listener, deliveries);
    const committed = orders.filter(({ isCommitted }) => isCommitted).map(({ orderId }) => orderId);
    expect([...deliveries.ids()].filter((id) => id.startsWith('killed-')).toSorted()).toEqual(committed.toSorted());
  });
});
