import { isAbsolute } from 'node:path';
import { rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../broker/rocketmq/topic-type.ts';
import { ConfigurationError } from '../errors.ts';
import { outboxSender } from '../outbox/outbox-sender.ts';
import { segmentedLog } from '../segmented-log/segmented-log.ts';
import { startSegmentedLogDrain } from '../segmented-log/segmented-log-drain.ts';
import type { Logger } from '../shared/logger.ts';
import type { AfterCommitLog } from '../transaction/after-commit-log.ts';
import type { Composed } from './compose.ts';
import type { LoadedConfig } from './config.ts';

/**
 * The log of a configuration and, unless it is left to a later process, its drain. Asks the broker for nothing by itself,
 * and opens the directory at once when it drains. Close it after the publisher: what is left is sent for as long as there is time.
 */
export function composeSegmentedLog(
  config: Pick<LoadedConfig, 'segmentedLog' | 'endpoints'>,
  logger: Logger,
): Composed<{ readonly log: AfterCommitLog }> {
  const { drain: isDraining = true, drainLimits, ...options } = config.segmentedLog ?? { directory: '' };
  if (!isAbsolute(options.directory ?? ''))
    throw new ConfigurationError(
      `segmentedLog.directory must be an absolute path, such as join(import.meta.dirname, 'outbox-log') in the configuration file, got ${JSON.stringify(options.directory)}`,
    );
  const log = segmentedLog({ ...options, logger });
  if (!isDraining) return { part: { log }, close: () => log.close() };
  const broker = { endpoints: config.endpoints, logger };
  const sender = outboxSender({ ...rocketmq(broker), topicType: (topic) => rocketmqTopicType(broker, topic) });
  const drain = startSegmentedLogDrain({ ...drainLimits, log, sender, logger });
  return {
    part: { log },
    close: async (deadlineMs) => {
      await drain.close(deadlineMs);
      await sender.close();
      await log.close();
    },
  };
}
