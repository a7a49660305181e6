import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { vi } from 'vitest';
import type { Consumer, Delivery } from '../../src/broker/consumer.ts';
import type { CheckBack, CheckedHalfMessage, Resolution } from '../../src/broker/transactional-producer.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { internals } from '../../src/broker/rocketmq/client-internals.ts';
import { bareConsumer, bareProducer, guard } from '../support/broker-bare-client.ts';
import { useStack } from '../support/stack.ts';

export const message = (topic: string, properties: Record<string, string> = {}) => ({
  topic,
  tag: 'placed',
  keys: ['k1'],
  properties,
  body: Buffer.from('{"amount":1}'),
});

/** The two ways of what our adapter sends. */
export type SendPath = 'lean' | 'official';

/** Everything a test of broker behaviour opens, closed in one call. Default: on the shared real broker, over the default path. */
export function conformance(endpoints: () => string = () => useStack().endpoints, path: SendPath = 'lean') {
  const cleanups: (() => Promise<unknown>)[] = [];
  const broker = () => rocketmq({ endpoints: endpoints(), path });
  return {
    closeAll: async () => {
      for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    },
    producer: async (topic: string, checkBack: CheckBack = async () => 'UNKNOWN') => {
      const producer = await broker().startTransactionalProducer({ topics: [topic], checkBack });
      cleanups.push(() => producer.close());
      return producer;
    },
    consumer: async (topic: string, group: string) => {
      const consumer = await broker().startConsumer({ topic, group, longPollMs: 2_000 });
      cleanups.push(() => consumer.close());
      return consumer;
    },
    /** The official client, for what the port does not let one do. */
    bare: async (topic: string) => {
      const producer = bareProducer(endpoints(), [topic]);
      cleanups.push(guard(producer));
      await producer.startup();
      return { producer, routes: internals(producer) };
    },
    /** The official SimpleConsumer, and acknowledgements of as many entries as one likes. */
    bareConsumer: async (topic: string, group: string) => {
      const consumer = bareConsumer(endpoints(), topic, group);
      cleanups.push(guard(consumer));
      await consumer.startup();
      const acknowledge = async (entries: readonly { messageId: string; receiptHandle: string }[]) => {
        const request = new serviceMessages.AckMessageRequest()
          .setGroup(new definitions.Resource().setName(group))
          .setTopic(new definitions.Resource().setName(topic));
        for (const { messageId, receiptHandle } of entries) request.addEntries().setMessageId(messageId).setReceiptHandle(receiptHandle);
        const [endpoints] = internals(consumer).getTotalRouteEndpoints();
        return (await consumer.getRpcClientManager().ackMessage(endpoints!, request, 3_000)).toObject();
      };
      return { acknowledge, receive: consumer.receive.bind(consumer) };
    },
  };
}

/** Receives until there is a message. */
export async function next(consumer: Consumer, invisibleMs = 10_000): Promise<Delivery> {
  for (;;) {
    const [delivery] = await consumer.receive(1, invisibleMs);
    if (delivery !== undefined) return delivery;
  }
}

/** A check-back that remembers what it was asked and answers what it is told to. */
export function recordingCheckBack(resolution: (half: CheckedHalfMessage) => Resolution = () => 'UNKNOWN') {
  const asked: CheckedHalfMessage[] = [];
  const checkBack: CheckBack = async (half) => {
    asked.push(half);
    return resolution(half);
  };
  return { asked, checkBack };
}

export const eventually = <T>(attempt: () => T | Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 30_000, interval: 50 });
