import { MESSAGE_PROPERTY } from '../broker/message.ts';
import { rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../broker/rocketmq/topic-type.ts';
import { callOf } from '../dead-letter/call-of-message.ts';
import { REPLAY_PROPERTY, messageIdentity } from '../dead-letter/message-identity.ts';
import { openReplaySender } from '../dead-letter/replay-sender.ts';
import type { ParkedHalf, RescueParkedOptions } from '../reconciliation/rescue-parked.ts';
import type { Logger } from '../shared/logger.ts';
import { mysqlFindCall } from '../store/find-external-call.ts';
import { rescueLedger } from '../store/rescue-ledger.ts';
import type { AnyTransactionListener } from '../transaction/transaction-listener.ts';
import { decodeMessage } from '../worker/decode-message.ts';
import { type Composed, type Orm, composePublisher } from './compose.ts';
import type { LoadedConfig } from './config.ts';

/** What a rescue of parked halves works with. */
export type ParkedRescue = Pick<RescueParkedOptions, 'resolve' | 'isDelivered' | 'ledger' | 'send'>;

/** Opens the service's publisher, whose look-ups say what became of a half, and what sends it again. */
export async function composeParkedRescue(config: LoadedConfig, orm: Orm, logger: Logger): Promise<Composed<ParkedRescue>> {
  const { transactionListeners = [], compensations = [], messageListeners = [] } = config;
  // All that this service ever publishes in transactions.
  const listeners = [...new Set([...transactionListeners, ...compensations.map(({ publish }) => publish as AnyTransactionListener)])];
  // What is parked was a half message, whatever the service publishes by today.
  const publisher = await composePublisher({ ...config, strategy: 'halfMessage', transactionListeners: listeners }, logger);
  const options = { endpoints: config.endpoints, logger };
  const sender = openReplaySender({ ...rocketmq(options), topicType: (topic) => rocketmqTopicType(options, topic) });
  const known = callOf(messageListeners, decodeMessage);
  const findCall = mysqlFindCall(orm);
  return {
    part: {
      resolve: (half, signal) => publisher.part.whatBecameOf(half, signal),
      isDelivered: async (half) => {
        // Each group of the topic begins calls of its own: missing one, it is sent again, and the others know it.
        const groups = new Set(messageListeners.filter(({ topic }) => topic === half.topic).map(({ group }) => group));
        const calls = await Promise.all([...groups].map((group) => known({ ...half, deliveryAttempt: 1 }, group)));
        const found = calls.map(async (call) =>
          call?.listener.call === undefined ? undefined : findCall(call.listener.call.name, call.idempotencyKey),
        );
        return found.length > 0 && (await Promise.all(found)).every((row) => row !== undefined);
      },
      ledger: rescueLedger(orm),
      send: (half) => sender.send(asSentAgain(half)),
    },
    close: async (deadlineMs) => {
      await sender.close();
      await publisher.close(deadlineMs);
    },
  };
}

/** The same message: the properties of its transaction too, so that its check-back finds the row should the new END be lost. */
function asSentAgain({ topic, tag, keys, properties, body, ...half }: ParkedHalf) {
  const identity = messageIdentity({ topic, tag, keys, properties, body, deliveryAttempt: 1, ...half });
  return { topic, tag, keys, body, properties: { ...properties, [REPLAY_PROPERTY]: identity } };
}

/** Follows the order it belongs to. */
export const correlationOf = ({ properties }: ParkedHalf): string => properties[MESSAGE_PROPERTY.correlationId] ?? '';
