import type { Consumer } from '../consumer.ts';
import type { Producer } from '../producer.ts';
import type { TransactionalBroker } from '../transactional-producer.ts';
import { type RocketmqConsumerOptions, startRocketmqConsumer } from './consumer.ts';
import { type RocketmqOptions, resolveRocketmqOptions } from './options.ts';
import { type RocketmqProducerOptions, startRocketmqProducer } from './producer.ts';
import { startRocketmqTransactionalProducer } from './transactional-producer.ts';

/** A RocketMQ 5 broker behind its gRPC proxy. */
export interface RocketmqBroker extends TransactionalBroker {
  /** Resolves once the topic is known and messages can be received. The group should exist before the first message is produced. */
  startConsumer(consumer: RocketmqConsumerOptions): Promise<Consumer>;
  /** Resolves once the topic is known, takes what it was said to take, and messages can be sent. Rejects as `startTransactionalProducer` does. */
  startProducer(producer: RocketmqProducerOptions): Promise<Producer>;
}

/** Describes a RocketMQ 5 broker; checks the options at once, connects when a producer or consumer is started. */
export function rocketmq(options: RocketmqOptions): RocketmqBroker {
  const resolved = resolveRocketmqOptions(options);
  return {
    startTransactionalProducer: ({ topics, checkBack }) => startRocketmqTransactionalProducer(resolved, topics, checkBack),
    startConsumer: (consumer) => startRocketmqConsumer(resolved, consumer),
    startProducer: (producer) => startRocketmqProducer(resolved, producer),
  };
}
