import { afterEach, describe, expect, it } from 'vitest';
import { tagFilter } from '../../src/embedded/message-filter.ts';
import { incoming } from './support/messages.ts';
import { pureBroker } from './support/pure-broker.ts';

describe('Subscription', () => {
  let world: ReturnType<typeof pureBroker>;
  afterEach(() => world.close());

  function start({ retryMaxTimes = 1, isFifo = false, retainedMessages = 10 } = {}) {
    world = pureBroker({ settings: { retainedMessages } });
    world.broker.createTopic('t', 'MIXED');
    world.broker.createGroup({ name: 'g', retryMaxTimes, isFifo });
    return world;
  }

  it('delivers a message that nobody acknowledged again when its invisible time is over, and counts', async () => {
    const { broker, clock, receive } = start();
    broker.accept(incoming({ messageId: 'a' }));
    expect(receive('t', 'g')).toMatchObject([{ attempt: 1, message: { messageId: 'a' } }]);
    await clock.advance(9_999);
    expect(receive('t', 'g')).toEqual([]);
    await clock.advance(1);
    expect(receive('t', 'g')).toMatchObject([{ attempt: 2 }]);
  });

  it('makes a dead letter of a message that was delivered retryMaxTimes + 1 times, when somebody asks again', async () => {
    const { broker, clock, receive } = start({ retryMaxTimes: 0 });
    broker.accept(incoming({ messageId: 'a', properties: { p: 'v' } }));
    receive('t', 'g');
    await clock.advance(10_000);
    expect(broker.topics.find('%DLQ%g')).toBeUndefined();
    expect(receive('t', 'g')).toEqual([]);
    expect(broker.topics.find('%DLQ%g')?.log.get(0)).toMatchObject({ topic: '%DLQ%g', messageId: 'a', properties: { p: 'v' } });
    expect(broker.subscription('t', 'g').backlog).toBe(0);
  });

  it('takes an acknowledgement by the newest receipt only', async () => {
    const { broker, clock, receive } = start();
    broker.accept(incoming());
    const [first] = receive('t', 'g');
    const subscription = broker.subscription('t', 'g');
    const renewed = subscription.changeInvisible(first!.receiptId, 60_000);
    subscription.acknowledge(first!.receiptId);
    expect(subscription.backlog).toBe(1);
    await clock.advance(59_999);
    expect(receive('t', 'g')).toEqual([]);
    subscription.acknowledge(renewed!.receiptId);
    expect(subscription.backlog).toBe(0);
    subscription.acknowledge(renewed!.receiptId);
  });

  it('passes over tags nobody asked for, for good', () => {
    const { broker, receive } = start();
    broker.accept(incoming({ tag: 'a' }));
    broker.accept(incoming({ tag: 'b' }));
    const subscription = broker.subscription('t', 'g');
    const { deliveries } = subscription.receive({ filter: tagFilter('b || c'), max: 32, invisibleMs: 10_000 });
    expect(deliveries.map(({ message }) => message.tag)).toEqual(['b']);
    expect(receive('t', 'g')).toEqual([]);
  });

  it('gives every group every message', () => {
    const { broker, receive } = start();
    broker.createGroup({ name: 'h', retryMaxTimes: 0, isFifo: false });
    broker.accept(incoming());
    expect(receive('t', 'g')).toHaveLength(1);
    expect(receive('t', 'h')).toHaveLength(1);
  });

  it('of a FIFO group delivers a message group one after the other, and other groups meanwhile', async () => {
    const { broker, clock, receive } = start({ isFifo: true });
    for (const [messageId, messageGroup] of [
      ['a1', 'a'],
      ['a2', 'a'],
      ['b1', 'b'],
    ] as const)
      broker.accept(incoming({ messageId, messageGroup, kind: 'FIFO' }));
    const first = receive('t', 'g');
    expect(first.map(({ message }) => message.messageId)).toEqual(['a1', 'b1']);
    await clock.advance(10_000);
    const again = receive('t', 'g');
    expect(again.map(({ message }) => message.messageId)).toEqual(['a1', 'b1']);
    for (const { receiptId } of again) broker.subscription('t', 'g').acknowledge(receiptId);
    expect(receive('t', 'g').map(({ message }) => message.messageId)).toEqual(['a2']);
  });

  it('lets go of what every group has read, but for the newest ones', () => {
    const { broker, receive, timetable } = start();
    const before = timetable.size;
    for (let sent = 0; sent < 5_000; sent += 1) {
      broker.accept(incoming());
      for (const { receiptId } of receive('t', 'g')) broker.subscription('t', 'g').acknowledge(receiptId);
    }
    expect(broker.topics.require('t').log.size).toBeLessThanOrEqual(11);
    expect(broker.subscription('t', 'g').backlog).toBe(0);
    expect(timetable.size).toBe(before);
  });
});
