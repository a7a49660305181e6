import type { ReceivedMessage } from '../broker/message.ts';
import type { KnownCall } from './call-of-message.ts';
import type { DeadLetterReason } from './dead-letter.ts';
import type { DeadLetterStore } from './dead-letter-store.ts';
import { emitDeadLetterEvent } from './diagnostics.ts';
import { errorMask, maskedErrorChain } from './mask-error.ts';
import { isReplay, messageIdentity } from './message-identity.ts';

/** What is known of a death besides the message. */
export interface CircumstancesOfDeath {
  readonly topic: string;
  readonly group: string;
  /** Name of the listener, when it is known and its call is not. */
  readonly listener: string | undefined;
  readonly call: KnownCall | undefined;
  readonly reason: DeadLetterReason;
  readonly reasonText: string;
  readonly error: unknown;
  /** Who keeps it, for the history. */
  readonly by: string;
}

/** Keeps one message, masked where people read and whole where it is sent again, and tells so. Idempotent as the store is. */
export const keepMessage = async (store: DeadLetterStore, message: ReceivedMessage, death: CircumstancesOfDeath): Promise<number> => {
  const { topic, group, call, reason, error, by } = death;
  const listener = call?.listener.name ?? death.listener;
  const mask = errorMask(message);
  const { messageId, tag, keys, properties, body, bornAt, deliveryAttempt } = message;
  const { id, isNew } = await store.keep(
    {
      identity: messageIdentity(message),
      isReplay: isReplay(message),
      topic,
      group,
      listener,
      messageId,
      tag,
      keys,
      properties,
      body,
      bornAt,
      reason,
      reasonText: mask.text(death.reasonText, isOurs(error)),
      errorChain: maskedErrorChain(error, mask),
      deliveryAttempts: deliveryAttempt,
      callName: call?.listener.call?.name,
      idempotencyKey: call?.idempotencyKey,
    },
    by,
  );
  emitDeadLetterEvent('kept', { id, topic, group, listener, messageId, reason, isNew });
  return id;
};

/** A reason repeats the text of its error, so it is masked as that is. */
const isOurs = (error: unknown): boolean =>
  error === undefined || (error as { code?: unknown }).code?.toString().startsWith('CB_') === true;
