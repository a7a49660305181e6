/* oxlint-disable vitest/no-conditional-expect -- what must hold depends on what was struck, and where */
import { describe, expect, it } from 'vitest';
import type { Resolution } from '../../src/index.ts';
import { startMysqlProxy } from '../support/mysql-proxy.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { openShop } from '../support/publishing-shop.ts';
import { collectDeliveries, deliverSentinel } from './support/deliveries.ts';
import type { ParkingPlace } from './support/parking-producer.child.ts';
import { startParkingProducer } from './support/parking-producer.ts';
import { answersAbout, expectSettled } from './support/settled-truth.ts';
import {
  MARKER_BEFORE_COMMIT,
  MARKER_FIRST,
  ROW_BEFORE_COMMIT,
  ROW_FIRST,
  ROW_OVERLAPPED,
  STRATEGIES,
  type Strategy,
  orderListener,
} from './support/strategies.ts';

const PATIENCE = { timeout: 40_000, interval: 50 };
/** A minute of the broker's own time is two of its rounds, as shipped; some of them ask the one that is stopped. */
const ROUNDS = 6;

/** Between the half message and the last of the local transaction, where `Strategy` has anything between them. */
const STOPS: readonly { readonly strategy: Strategy; readonly place: ParkingPlace; readonly isOpen: boolean }[] = [
  { strategy: ROW_FIRST, place: 'half message stored', isOpen: true },
  { strategy: ROW_FIRST, place: 'before INSERT', isOpen: true },
  { strategy: ROW_OVERLAPPED, place: 'before INSERT', isOpen: true },
  { strategy: ROW_BEFORE_COMMIT, place: 'half message stored', isOpen: true },
  // Its fence is the marker, which it has not written: a check-back decides, if there is one before it goes on.
  { strategy: MARKER_FIRST, place: 'half message stored', isOpen: false },
  { strategy: MARKER_FIRST, place: 'before INSERT', isOpen: true },
  { strategy: MARKER_BEFORE_COMMIT, place: 'half message stored', isOpen: true },
];
const orders = STOPS.map((stop) => ({
  ...stop,
  orderId: `stopped-${stop.strategy.name}-${stop.place.replaceAll(' ', '-')}`.toLowerCase(),
}));

describe('A producer stopped by SIGSTOP between half message and INSERT for round after round of check-backs', () => {
  it.each([
    { what: 'goes on, its fences still open', transactionTimeoutMs: 120_000, losesSessions: false },
    {
      what: 'is told ROLLBACK, its sessions gone',
      transactionTimeoutMs: 120_000,
      losesSessions: true,
    },
    { what: 'tells the truth, its time over', transactionTimeoutMs: 1_500, losesSessions: false },
  ])('$what: no ghost, nothing lost', async ({ transactionTimeoutMs, losesSessions }) => {
    await using shop = await openShop('producer_stopped');
    await using deliveries = collectDeliveries(await shop.startConsumer());
    await using proxy = await startMysqlProxy(shop.database.url);
    await using producer = await startParkingProducer({
      endpoints: shop.endpoints,
      mysqlUrl: proxy.through(shop.database.url),
      topic: shop.topic,
      poolSize: orders.length,
      transactionTimeoutMs,
    });
    for (const { orderId, strategy, place } of orders) producer.send({ kind: 'publish', orderId, strategy: strategy.name, place });
    for (const { orderId } of orders) {
      await producer.hears('parked', orderId);
      await producer.hears('stored', orderId);
    }
    producer.process.kill('SIGSTOP');

    using checked = collectEvents('checked');
    const answers = (orderId: string) => answersAbout(orderId, producer, checked);
    const listeners = STRATEGIES.map((strategy) => orderListener(shop.topic, strategy));
    const heir = await shop.startPublisher({ listeners });
    // Which of two producers it asks is the broker's choice: about some orders it may ask none but the one that is stopped.
    const withAnswer = (resolution: Resolution) => orders.filter(({ orderId }) => answers(orderId).includes(resolution));
    if (losesSessions) {
      proxy.cut();
      await expect.poll(() => withAnswer('ROLLBACK').length, PATIENCE).toBeGreaterThan(1);
    } else {
      await expect.poll(() => Math.max(0, ...checked.map(({ round }) => round)), PATIENCE).toBeGreaterThanOrEqual(ROUNDS);
      expect(withAnswer('ROLLBACK').filter(({ isOpen }) => isOpen)).toEqual([]);
      expect(withAnswer('UNKNOWN').filter(({ isOpen }) => isOpen).length).toBeGreaterThan(1);
    }
    expect(withAnswer('COMMIT')).toEqual([]);
    expect(await shop.orderIds()).toEqual([]);

    producer.send({ kind: 'release' });
    producer.process.kill('SIGCONT');
    for (const { orderId } of orders) await producer.hears('outcome', orderId);
    const codes = orders.map(({ orderId }) => producer.said('outcome', orderId)[0]!.code);
    // With time left, the outcome is a matter of the fence alone; without, it is the clock's, and has to be the truth.
    const isRefused = ({ orderId, isOpen }: (typeof orders)[number]) => losesSessions || (!isOpen && answers(orderId).includes('ROLLBACK'));
    if (transactionTimeoutMs > 60_000)
      expect(codes).toEqual(orders.map((order) => (isRefused(order) ? 'CB_LOCAL_TRANSACTION' : 'committed')));
    else expect(new Set(codes)).toEqual(new Set(['committed', 'CB_LOCAL_TRANSACTION']));
    const settled = orders.map(({ orderId }, index) => ({ orderId, isAsked: false, isCommitted: codes[index] === 'committed' }));
    await expectSettled(shop, settled, answers, deliveries);
    await deliverSentinel(heir, listeners[0]!, deliveries);
    const committed = settled.filter(({ isCommitted }) => isCommitted).map(({ orderId }) => orderId);
    expect([...deliveries.ids()].filter((id) => id.startsWith('stopped-')).toSorted()).toEqual(committed.toSorted());
  });
});
