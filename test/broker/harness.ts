import { vi } from 'vitest';
import { type CheckBack, type TransactionalProducer } from '../../src/broker/transactional-producer.ts';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import type { RocketmqOptions } from '../../src/broker/rocketmq/options.ts';

export const TOPIC = 'orders';

export const outgoing = (topic = TOPIC): OutgoingMessage => ({
  topic,
  tag: 'placed',
  keys: ['k1'],
  properties: { 'checkback-tx': 'tx-1' },
  body: Buffer.from('{}'),
});

/** Waits for a state of the fake proxy; generous, because the machine may be busy. */
export const eventually = <T>(attempt: () => T | Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 15_000, interval: 20 });

/** Our adapter with short deadlines. */
export function adapter(endpoints: string, options: Partial<RocketmqOptions> = {}) {
  return rocketmq({ endpoints, requestTimeoutMs: 3_000, startTimeoutMs: 5_000, ...options });
}

export function startProducer(
  endpoints: string,
  {
    topics = [TOPIC],
    checkBack = async () => 'UNKNOWN',
    ...options
  }: Partial<RocketmqOptions> & { topics?: string[]; checkBack?: CheckBack } = {},
): Promise<TransactionalProducer> {
  return adapter(endpoints, options).startTransactionalProducer({ topics, checkBack });
}
