import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type { Logger } from '../../shared/logger.ts';
import {
  type Endpoints,
  ForwardMessageToDeadLetterQueueRequest,
  type MessageQueue,
  MessageView,
  Resource,
  StatusChecker,
  type definition,
} from './client-package.ts';
import type { RpcChannels } from './rpc-channels.ts';

export interface UndecodableMessage {
  readonly topic: string;
  readonly group: string;
  readonly endpoints: Endpoints;
  readonly message: definition.Message;
  readonly reason: unknown;
  readonly requestTimeoutMs: number;
}

/** Moves one message that nobody can read to its group's dead-letter queue. Never rejects: at worst it is delivered again. */
export async function forwardToDeadLetterQueue(channels: RpcChannels, bad: UndecodableMessage, logger: Logger): Promise<void> {
  const { topic, group, endpoints, message, reason, requestTimeoutMs } = bad;
  const system = message.getSystemProperties();
  const messageId = system?.getMessageId() ?? '';
  const request = new ForwardMessageToDeadLetterQueueRequest()
    .setGroup(new Resource().setName(group))
    .setTopic(new Resource().setName(topic))
    .setReceiptHandle(system?.getReceiptHandle() ?? '')
    .setMessageId(messageId)
    .setDeliveryAttempt(system?.getDeliveryAttempt() ?? 1)
    .setMaxDeliveryAttempts(1);
  try {
    const response = await channels.asClientManager().forwardMessageToDeadLetterQueue(endpoints, request, requestTimeoutMs);
    StatusChecker.check(response.getStatus()?.toObject());
    logger.error({ topic, group, messageId, error: reason }, 'message cannot be decoded; moved to the dead-letter queue');
  } catch (error) {
    logger.error(
      { topic, group, messageId, error: reason, moveError: error },
      'message cannot be decoded and was not moved; it will be delivered again',
    );
  }
}

/**
 * A message that cannot be decoded, with its body as the bytes that came: for a reader of dead letters, which keeps what
 * nobody can read. Acknowledged and postponed like any other.
 */
export function undecodedView(message: definition.Message, queue: MessageQueue): MessageView {
  const raw = definitions.Message.deserializeBinary(message.serializeBinary());
  const system = raw.getSystemProperties() ?? new definitions.SystemProperties();
  // No encoding to undo, no digest to compare.
  system.setBodyEncoding(definitions.Encoding.IDENTITY).setBodyDigest(new definitions.Digest());
  return new MessageView(raw.setSystemProperties(system), queue);
}
