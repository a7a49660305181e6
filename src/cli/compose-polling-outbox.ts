import { rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../broker/rocketmq/topic-type.ts';
import { ConfigurationError } from '../errors.ts';
import { startOutboxRelay } from '../outbox/outbox-relay.ts';
import { outboxSender } from '../outbox/outbox-sender.ts';
import type { Logger } from '../shared/logger.ts';
import { mysqlOutbox } from '../store/mysql-outbox.ts';
import { mysqlOutboxStore } from '../store/mysql-outbox-store.ts';
import type { TransactionalPublisherOptions } from '../transaction/publisher-options.ts';
import type { Composed, Orm } from './compose.ts';
import type { LoadedConfig } from './config.ts';

/** What a publisher is started with so that its messages travel as the configuration says. */
export type CarrierOptions = Pick<TransactionalPublisherOptions, 'broker' | 'outbox'>;

/**
 * The strategy of a configuration: a broker that takes half messages, or an outbox and, unless it is left to others, the
 * relay beside it. Asks neither broker nor database for anything by itself. Close it after the publisher.
 */
export function composeCarrier(
  config: Pick<LoadedConfig, 'strategy' | 'outbox' | 'endpoints'>,
  orm: Orm,
  logger: Logger,
): Composed<CarrierOptions> {
  const { strategy = 'halfMessage', endpoints } = config;
  if (strategy === 'halfMessage') return { part: { broker: rocketmq({ endpoints, logger }) }, close: async () => {} };
  if (strategy !== 'pollingOutbox')
    throw new ConfigurationError(`strategy must be halfMessage or pollingOutbox, got ${JSON.stringify(strategy) ?? String(strategy)}`);
  const { relay: isRelaying = true, ...options } = config.outbox ?? {};
  const outbox = mysqlOutbox(orm);
  if (!isRelaying) return { part: { outbox }, close: async () => {} };
  const broker = { endpoints, logger };
  const sender = outboxSender({ ...rocketmq(broker), topicType: (topic) => rocketmqTopicType(broker, topic) });
  const relay = startOutboxRelay({ ...options, store: mysqlOutboxStore(orm), sender, commits: outbox, logger });
  return {
    part: { outbox },
    close: async (deadlineMs) => {
      await relay.close(deadlineMs);
      await sender.close();
    },
  };
}
