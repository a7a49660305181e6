import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PublishingMessage } from 'rocketmq-client-nodejs';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import type { Consumer } from '../../src/broker/consumer.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { drainBrokerDeadLetters } from '../../src/dead-letter/drain-broker-dead-letters.ts';
import { InMemoryDeadLetterStore } from '../dead-letter/support/in-memory-dead-letter-store.ts';
import { createGroup, createTopic, useStack } from '../support/stack.ts';
import { conformance, eventually } from './harness.ts';

describe('A message that nobody can decode', () => {
  const open = conformance();
  const stop = new AbortController();
  let draining: Promise<void> | undefined;
  let consumer: Consumer;
  let group: string;
  let topic: string;

  beforeAll(async () => {
    [topic, group] = [await createTopic('NORMAL'), await createGroup()];
  });
  afterEach(open.closeAll);
  afterAll(async () => {
    stop.abort();
    await draining;
  });

  it('is moved to the queue of its group, and kept from there as the bytes that came', async () => {
    const store = new InMemoryDeadLetterStore();
    const drainGroup = await createGroup({ retryMaxTimes: 1_000 });
    consumer = await open.consumer(topic, group);
    const { producer, routes } = await open.bare(topic);
    const [queue] = (await routes.getRouteData(topic)).messageQueues;
    const content = { topic, body: Buffer.from('not gzip'), keys: ['k1'] };
    const broken = new PublishingMessage(content, producer.publishingSettings, false).toProtobuf('', queue!);
    broken.getSystemProperties()?.setBodyEncoding(definitions.Encoding.GZIP);
    const request = new serviceMessages.SendMessageRequest();
    request.addMessages(broken);
    await producer.getRpcClientManager().sendMessage(queue!.broker.endpoints, request, 3_000);
    draining = drainBrokerDeadLetters(
      { broker: rocketmq({ endpoints: useStack().endpoints }), store, group, drainGroup, pauseMs: 200, maxPauseMs: 500 },
      stop.signal,
    );
    await eventually(async () => {
      await consumer.receive(1, 10_000);
      expect(store.kept.size).toBe(1);
    });
    const { letter, body } = store.only();
    expect(letter).toMatchObject({ topic: `%DLQ%${group}`, group, keys: ['k1'], reason: 'BROKER_LIMIT' });
    expect(Buffer.from(body).toString()).toBe('not gzip');
  });
});
