import { ConfigurationError } from '../../errors.ts';
import { replaceChannels, stopClient } from './client-lifecycle.ts';
import { clientOptions } from './client-options.ts';
import { Producer } from './client-package.ts';
import { type RocketmqOptions, resolveRocketmqOptions } from './options.ts';
import { requireTopic } from './require-topic.ts';

const TYPES = ['NORMAL', 'TRANSACTION', 'DELAY', 'FIFO'] as const;

/**
 * What a topic was created to take, as its route says. Rejects with `ConfigurationError` when there is no such topic or
 * it takes nothing we know, with `BrokerError` when the broker does not answer in time.
 */
export async function rocketmqTopicType(options: RocketmqOptions, topic: string): Promise<(typeof TYPES)[number]> {
  const resolved = resolveRocketmqOptions(options);
  const deadline = Date.now() + resolved.startTimeoutMs;
  const client = new Producer({ ...clientOptions(resolved), topics: [], maxAttempts: 1 });
  const channels = replaceChannels(client, resolved);
  try {
    await requireTopic(client, channels, topic, undefined, resolved, deadline);
    let refusal: unknown;
    for (const type of TYPES) {
      try {
        await requireTopic(client, channels, topic, type, resolved, deadline);
        return type;
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        refusal = error;
      }
    }
    throw refusal;
  } finally {
    await stopClient(client, channels, 1_000);
  }
}
