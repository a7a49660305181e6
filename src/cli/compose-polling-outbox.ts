import { rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../broker/rocketmq/topic-type.ts';
import { startOutboxRelay } from '../outbox/outbox-relay.ts';
import { outboxSender } from '../outbox/outbox-sender.ts';
import type { Logger } from '../shared/logger.ts';
import { mysqlOutbox } from '../store/mysql-outbox.ts';
import { mysqlOutboxStore } from '../store/mysql-outbox-store.ts';
import type { TransactionalOutbox } from '../transaction/transactional-outbox.ts';
import type { Composed, Orm } from './compose.ts';
import type { LoadedConfig } from './config.ts';

/** The table `outbox_message` and, unless it is left to others, the relay that sends what is in it. Close it after the publisher. */
export function composePollingOutbox(
  config: Pick<LoadedConfig, 'outbox' | 'endpoints'>,
  orm: Orm,
  logger: Logger,
): Composed<{ readonly outbox: TransactionalOutbox }> {
  const { endpoints } = config;
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
