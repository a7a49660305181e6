import { createHash } from 'node:crypto';
import { encodeReceipt } from '../receipt-handle.ts';
import type { IncomingMessage } from '../stored-message.ts';
import type { Delivery } from '../subscription.ts';
import {
  type definition,
  Digest,
  DigestType,
  Encoding,
  Message,
  MessageType,
  Resource,
  SystemProperties,
  timestamp,
} from './grpc-package.ts';

/** A message as a consumer, or a producer that is asked about it, gets it (`GrpcConverter.buildMessage`). */
export function outgoingMessage(message: IncomingMessage, storedAt: number): definition.Message {
  const body = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength);
  const checksum = createHash('md5').update(body).digest('hex').toUpperCase();
  const system = new SystemProperties()
    .setKeysList([...message.keys])
    .setMessageId(message.messageId)
    .setBodyDigest(new Digest().setType(DigestType.MD5).setChecksum(checksum))
    .setBodyEncoding(message.isCompressed ? Encoding.GZIP : Encoding.IDENTITY)
    .setMessageType(MessageType[message.kind])
    .setBornTimestamp(timestamp(message.bornAt))
    .setBornHost(message.bornHost)
    .setStoreTimestamp(timestamp(storedAt))
    .setDeliveryAttempt(1);
  if (message.tag !== '') system.setTag(message.tag);
  if (message.deliverAt !== undefined) system.setDeliveryTimestamp(timestamp(message.deliverAt));
  if (message.messageGroup !== undefined) system.setMessageGroup(message.messageGroup);
  if (message.traceContext !== undefined) system.setTraceContext(message.traceContext);
  const outgoing = new Message().setTopic(new Resource().setName(message.topic)).setBody(body).setSystemProperties(system);
  const properties = outgoing.getUserPropertiesMap();
  for (const name of Object.keys(message.properties)) properties.set(name, message.properties[name]!);
  return outgoing;
}

/** A delivery, with the receipt that acknowledges it. */
export function deliveredMessage(delivery: Delivery, brokerName: string): definition.Message {
  const { message, attempt } = delivery;
  const outgoing = outgoingMessage(message, message.storedAt);
  outgoing
    .getSystemProperties()
    ?.setReceiptHandle(receiptOf(delivery, brokerName))
    .setQueueId(message.queueId)
    .setQueueOffset(message.queueOffset)
    .setDeliveryAttempt(attempt);
  return outgoing;
}

export function receiptOf({ receiptId, deliveredAt, invisibleMs, message }: Delivery, brokerName: string): string {
  return encodeReceipt({ id: receiptId, deliveredAt, invisibleMs }, brokerName, message.queueId, message.queueOffset);
}
