import { rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../broker/rocketmq/topic-type.ts';
import { ConfigurationError } from '../errors.ts';
import { startOutboxRelay } from '../outbox/outbox-relay.ts';
import { outboxSender } from '../outbox/outbox-sender.ts';
import type { Logger } from '../shared/logger.ts';
import { mysqlChangeDataCapture } from '../store/mysql-change-data-capture.ts';
import { mysqlOutboxStore } from '../store/mysql-outbox-store.ts';
import type { Composed, Orm } from './compose.ts';
import type { CarrierOptions } from './compose-carrier.ts';
import type { LoadedConfig } from './config.ts';

/**
 * The strategy that finds messages in the database's log: a reader beside the publisher, unless it is left to others, and
 * with `refused: 'park'` a relay that sends parked messages which a person gives back. Asks neither broker nor database for
 * anything by itself: the publisher's start does. Close it after the publisher.
 */
export function composeChangeDataCapture(
  config: Pick<LoadedConfig, 'owner' | 'changeDataCapture' | 'endpoints'>,
  orm: Orm,
  logger: Logger,
): Composed<Pick<CarrierOptions, 'outbox'>> {
  const { changeDataCapture, endpoints, owner } = config;
  if (changeDataCapture === undefined)
    throw new ConfigurationError("strategy changeDataCapture needs changeDataCapture: { rowMessages: [ … ], from: 'now' } beside it");
  const broker = { endpoints, logger };
  const sender = outboxSender({ ...rocketmq(broker), topicType: (topic) => rocketmqTopicType(broker, topic) });
  const capture = mysqlChangeDataCapture({ ...changeDataCapture, orm, owner, sender, logger });
  const isParking = changeDataCapture.refused === 'park' && changeDataCapture.reader !== false;
  const relay = isParking ? startOutboxRelay({ store: mysqlOutboxStore(orm), sender, parkedLane: 'pass', logger }) : undefined;
  return {
    part: { outbox: capture },
    close: async (deadlineMs) => {
      await Promise.all([capture.close(deadlineMs), relay?.close(deadlineMs)]);
      await sender.close();
    },
  };
}
