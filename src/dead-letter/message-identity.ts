import { hash } from 'node:crypto';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { ReceivedMessage } from '../broker/message.ts';

/** Carried by a replayed message: the identity of the message it repeats, so that its next death is the same letter's. */
export const REPLAY_PROPERTY = 'checkback-replay';

const IDENTITY = /^[\da-f]{64}$/;

/** Whether a replay sent this message. */
export const isReplay = ({ properties }: Pick<ReceivedMessage, 'properties'>): boolean => IDENTITY.test(properties[REPLAY_PROPERTY] ?? '');

/**
 * What makes two deliveries the same message, as 64 hexadecimal digits. For a message of a transaction: its id, its
 * listener and what is in it, since one decision may carry several messages. For any other: the broker's id and the time
 * it was born, because two containers can make the same id. For a replay: that of the message it repeats.
 */
export const messageIdentity = (message: ReceivedMessage): string => {
  const { properties, tag, keys, body, messageId, bornAt } = message;
  if (isReplay(message)) return properties[REPLAY_PROPERTY]!;
  const transactionId = properties[MESSAGE_PROPERTY.transactionId];
  const parts =
    transactionId === undefined
      ? ['id', messageId, bornAt?.getTime() ?? 0]
      : ['tx', transactionId, properties[MESSAGE_PROPERTY.listener] ?? '', tag, keys, hash('sha256', body, 'hex')];
  return hash('sha256', JSON.stringify(parts), 'hex');
};
