import { describe, expect, it } from 'vitest';
import { HalfMessageError, type TransactionalBroker, rocketmq } from '../../src/index.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { openShop } from '../support/publishing-shop.ts';
import { collectDeliveries, deliverSentinel, outcomeOf } from './support/deliveries.ts';
import { STRATEGIES, orderListener } from './support/strategies.ts';

const PATIENCE = { timeout: 40_000, interval: 50 };

/** A broker whose half messages are stored, and whose word that they are gets lost for the amounts named: as a timeout would look. */
function forgetfulBroker(broker: TransactionalBroker, lostAmount: number): TransactionalBroker & { readonly lostIds: string[] } {
  const lostIds: string[] = [];
  return {
    lostIds,
    async startTransactionalProducer(options) {
      const producer = await broker.startTransactionalProducer(options);
      return {
        close: (deadlineMs) => producer.close(deadlineMs),
        sendHalf: async (message) => {
          const half = await producer.sendHalf(message);
          const { amountMinor } = JSON.parse(Buffer.from(message.body).toString()) as { amountMinor: number };
          if (amountMinor !== lostAmount) return half;
          lostIds.push(message.properties['checkback-tx']!);
          throw new HalfMessageError('not confirmed: the deadline was exceeded', { retryable: true });
        },
      };
    },
  };
}

describe('A half message that was stored although its send timed out', () => {
  it('is never delivered; the second attempt, with another amount under the same key, is', async () => {
    await using shop = await openShop('half_unconfirmed');
    using checked = collectEvents('checked');
    const listeners = STRATEGIES.map((strategy) => orderListener(shop.topic, strategy));
    const broker = forgetfulBroker(rocketmq({ endpoints: shop.endpoints }), 100);
    const publisher = await shop.startPublisher({ broker, listeners });
    await using deliveries = collectDeliveries(await shop.startConsumer());

    const receipts: string[] = [];
    for (const listener of listeners) {
      const orderId = `order-${listener.name}`;
      expect(await outcomeOf(publisher.publish(listener, anOrder(orderId, { amountMinor: 100 })))).toBeInstanceOf(HalfMessageError);
      expect(await shop.orderIds()).not.toContain(orderId);
      const { transactionId } = await publisher.publish(listener, anOrder(orderId, { amountMinor: 250 }));
      receipts.push(transactionId);
    }
    expect(broker.lostIds).toHaveLength(listeners.length);
    expect(broker.lostIds.filter((id) => receipts.includes(id))).toEqual([]);

    // Each orphan is asked about when the row of the second attempt is there already, and must not be taken for it.
    const answered = (resolution: string) =>
      new Set(checked.filter((event) => event.resolution === resolution).map(({ transactionId }) => transactionId));
    await expect.poll(() => broker.lostIds.filter((id) => !answered('ROLLBACK').has(id)), PATIENCE).toEqual([]);
    for (const { name } of listeners) await deliveries.until(`order-${name}`);
    await deliverSentinel(publisher, listeners[0]!, deliveries);
    expect(deliveries.orders.filter(({ amountMinor }) => amountMinor === 100)).toEqual([]);
    expect([...answered('COMMIT')].filter((id) => broker.lostIds.includes(id))).toEqual([]);
  });
});
