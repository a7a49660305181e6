import type { OutgoingMessage, ReceivedMessage } from '../broker/message.ts';
import { InvalidMessageError } from '../errors.ts';
import type { encodeHalfMessage } from '../transaction/half-message.ts';
import type { decodeMessage } from '../worker/decode-message.ts';
import type { AnyMessageSource } from './message-source.ts';

/** How a publisher writes a message and a worker reads it: what is rebuilt goes through both. */
export interface MessageParts {
  readonly encodeHalfMessage: typeof encodeHalfMessage;
  readonly decodeMessage: typeof decodeMessage;
  /** Name of the service that published it. */
  readonly owner: string;
}

/** A message built from a row, and the key its listener gives it. */
export interface RebuiltMessage {
  readonly message: OutgoingMessage;
  readonly idempotencyKey: string;
}

/**
 * The message of a row, with the properties, keys and body the first one had. Rejects with what the source or the
 * listener threw, and with `InvalidMessageError` when the listener would not be given it.
 */
export const rebuildMessage = async (
  source: AnyMessageSource,
  row: object,
  { encodeHalfMessage, decodeMessage, owner }: MessageParts,
  correlationId?: string,
): Promise<RebuiltMessage> => {
  const { listener } = source;
  const original = source.messageOf(row);
  const { topic, tag, keys, payload, version, lookup, database, transactionId } = original;
  if (topic !== listener.topic || (listener.tag !== undefined && listener.tag !== tag))
    throw new InvalidMessageError(`message source "${source.name}" gives ${topic}:${tag}, which listener "${listener.name}" does not take`);
  const identity = {
    owner,
    listener: original.listener,
    transactionId,
    correlationId: original.correlationId ?? correlationId ?? transactionId,
    lookup,
    database,
  };
  const message = encodeHalfMessage({ topic, tag, keys, payload, version }, identity);
  const idempotencyKey: unknown = listener.idempotencyKey(await decodeMessage(asReceived(message), listener.payload));
  if (typeof idempotencyKey !== 'string' || idempotencyKey === '')
    throw new InvalidMessageError(`listener "${listener.name}" gives the rebuilt message no idempotency key`);
  return { message, idempotencyKey };
};

/** As if it had been delivered. */
export const asReceived = (message: OutgoingMessage): ReceivedMessage => ({
  ...message,
  messageId: `reconciled-${message.properties['checkback-tx'] ?? ''}`,
  deliveryAttempt: 1,
  bornAt: undefined,
});
