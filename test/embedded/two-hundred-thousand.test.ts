import { afterEach, describe, expect, it } from 'vitest';
import { halfMessage } from './support/messages.ts';
import { pureBroker } from './support/pure-broker.ts';

describe('Two hundred thousand messages', () => {
  let world: ReturnType<typeof pureBroker>;
  afterEach(() => world.close());

  it('leave nothing behind once they are acknowledged but a tail for late groups', async () => {
    world = pureBroker({ settings: { retainedMessages: 100 }, keepsRecords: false });
    const { broker, clock, receive, timetable } = world;
    broker.createTopic('t', 'TRANSACTION');
    broker.createGroup({ name: 'g', retryMaxTimes: 16, isFifo: false });
    broker.subscription('t', 'g');
    const idle = timetable.size;
    let mostHalves = 0;
    for (let round = 0; round < 400; round += 1) {
      for (let sent = 0; sent < 500; sent += 1) {
        const half = halfMessage({ bornAt: clock.now(), body: Buffer.alloc(100) });
        broker.accept(half);
        broker.transactions.end({ topic: 't', messageId: half.messageId, resolution: 'COMMIT', isAnswer: false }, half.messageId);
      }
      mostHalves = Math.max(mostHalves, broker.transactions.halves.size);
      for (;;) {
        const deliveries = receive('t', 'g', 32, 600_000);
        if (deliveries.length === 0) break;
        for (const { receiptId } of deliveries) broker.subscription('t', 'g').acknowledge(receiptId);
      }
      await clock.advance(5_000);
    }
    expect(broker.stored).toBe(200_000);
    expect(mostHalves).toBe(500);
    expect(broker.transactions.halves.size).toBe(0);
    expect(broker.transactions.memory.size).toBe(0);
    expect(broker.subscription('t', 'g').backlog).toBe(0);
    expect(broker.topics.require('t').log.size).toBeLessThanOrEqual(101);
    expect(timetable.size).toBe(idle);
    expect(timetable.kept).toBeLessThan(2_000);
    expect(broker.deliveries.total).toBe(200_000);
    expect(broker.deliveries.all()).toHaveLength(10_000);
  });
});
