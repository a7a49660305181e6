import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ProducerTopicType } from '../../src/broker/producer.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import type { BrokerUnderTest } from './broker-under-test.ts';
import { conformance, message, next } from './harness.ts';

/** What status checks and replays build on. */
export function delayedMessagesSuite(broker: BrokerUnderTest): void {
  describe(`a producer of the broker on ${broker.name}`, () => {
    const open = conformance(() => broker.endpoints);
    const { createTopic, createGroup } = broker;
    beforeAll(broker.open);
    afterAll(broker.close);
    const cleanups: (() => Promise<unknown>)[] = [];
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0)) await cleanup();
      await open.closeAll();
    });
    const start = async (topic: string, type?: ProducerTopicType) => {
      const producer = await rocketmq({ endpoints: broker.endpoints }).startProducer({ topic, type });
      cleanups.push(() => producer.close());
      return producer;
    };

    it('delivers an ordinary message with everything on it', async () => {
      const [topic, group] = [await createTopic('NORMAL'), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const producer = await start(topic);
      const { messageId } = await producer.send(message(topic, { 'checkback-correlation-id': 'c-1' }));
      const delivery = await next(consumer, 30_000);
      expect(delivery.message).toMatchObject({
        messageId,
        topic,
        tag: 'placed',
        keys: ['k1'],
        properties: { 'checkback-correlation-id': 'c-1' },
        deliveryAttempt: 1,
      });
      expect(Buffer.from(delivery.message.body).toString()).toBe('{"amount":1}');
      await delivery.ack();
    });

    it('delivers to a DELAY topic not before the delay is over, and what has none at once', async () => {
      const [topic, group] = [await createTopic('DELAY'), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const producer = await start(topic, 'DELAY');
      const sentAt = Date.now();
      const late = await producer.send(message(topic), { delayMs: 4_000 });
      const prompt = await producer.send(message(topic));
      const first = await next(consumer, 30_000);
      expect(first.message.messageId).toBe(prompt.messageId);
      await first.ack();
      const second = await next(consumer, 30_000);
      expect(second.message).toMatchObject({ messageId: late.messageId, keys: ['k1'], tag: 'placed' });
      // The broker's timer works in whole seconds.
      expect(Date.now() - sentAt).toBeGreaterThanOrEqual(3_000);
      await second.ack();
    });

    it('may delay by 24 hours and no more', async () => {
      const topic = await createTopic('DELAY');
      const producer = await start(topic, 'DELAY');
      await expect(producer.send(message(topic), { delayMs: 86_400_000 - 10_000 })).resolves.toBeDefined();
      await expect(producer.send(message(topic), { delayMs: 86_400_000 + 60_000 })).rejects.toMatchObject({
        code: 'CB_BROKER',
        retryable: false,
      });
    });

    it.each([
      ['TRANSACTION', 'NORMAL'],
      ['TRANSACTION', 'DELAY'],
      ['NORMAL', 'DELAY'],
      ['DELAY', 'NORMAL'],
    ] as const)('does not start on a %s topic as one of type %s', async (made, type) => {
      const topic = await createTopic(made);
      await expect(start(topic, type)).rejects.toMatchObject({
        code: 'CB_CONFIGURATION',
        message: expect.stringContaining(`takes ${made}, not ${type}`),
      });
    });
  });
}
