import { rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { ConfigurationError } from '../errors.ts';
import type { Logger } from '../shared/logger.ts';
import type { TransactionalPublisherOptions } from '../transaction/publisher-options.ts';
import type { Composed, Orm } from './compose.ts';
import { composeChangeDataCapture } from './compose-change-data-capture.ts';
import { composePollingOutbox } from './compose-polling-outbox.ts';
import { composeSegmentedLog } from './compose-segmented-log.ts';
import type { LoadedConfig } from './config.ts';
import { PUBLISH_STRATEGIES } from './define-config.ts';

/** What a publisher is started with so that its messages travel as the configuration says. */
export type CarrierOptions = Pick<TransactionalPublisherOptions, 'broker' | 'outbox' | 'log'>;

/** What of a configuration decides how messages travel. */
export type CarrierConfig = Pick<LoadedConfig, 'owner' | 'strategy' | 'outbox' | 'changeDataCapture' | 'segmentedLog' | 'endpoints'>;

/**
 * The strategy of a configuration: a broker that takes half messages, or what takes the messages in its place and, unless
 * it is left to others, who sends them from there. Asks the broker for nothing by itself. Close it after the publisher.
 */
export function composeCarrier(config: CarrierConfig, orm: Orm, logger: Logger): Composed<CarrierOptions> {
  const { strategy = 'halfMessage', endpoints } = config;
  switch (strategy) {
    case 'halfMessage':
      return { part: { broker: rocketmq({ endpoints, logger }) }, close: async () => {} };
    case 'pollingOutbox':
      return composePollingOutbox(config, orm, logger);
    case 'changeDataCapture':
      return composeChangeDataCapture(config, orm, logger);
    case 'localSegmentedOutbox':
      return composeSegmentedLog(config, logger);
    default:
      throw new ConfigurationError(
        `strategy must be one of ${PUBLISH_STRATEGIES.join(', ')}, got ${JSON.stringify(strategy) ?? String(strategy)}`,
      );
  }
}
