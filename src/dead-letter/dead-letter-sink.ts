import { InvalidMessageError } from '../errors.ts';
import type { ReceivedMessage } from '../broker/message.ts';
import type { AnyListener } from '../worker/message-listener.ts';
import { type CallOf, listenerOf } from './call-of-message.ts';
import type { DeadLetterStore } from './dead-letter-store.ts';
import { keepMessage } from './keep-message.ts';

export interface DeadLetterSinkOptions {
  /** The listeners of the worker: the message's own is found among them by topic and tag when the sink is not told. */
  readonly listeners: readonly AnyListener[];
  /** Finds the idempotency key, so that a replay can ask what became of the call. Default: it is not recorded. */
  readonly callOf?: CallOf | undefined;
  /** Default `worker`. */
  readonly by?: string | undefined;
}

/** A `DeadLetterSink` that may be told whose message it is: with two groups on one topic, it cannot find out. */
export type ListenerDeadLetterSink = (message: ReceivedMessage, reason: string, error: unknown, listener?: AnyListener) => Promise<void>;

/** The worker's dead letters into a store. Rejects when the store does; the worker then keeps the message with the broker. */
export const deadLetterSink = (
  store: DeadLetterStore,
  { listeners, callOf = async () => undefined, by = 'worker' }: DeadLetterSinkOptions,
): ListenerDeadLetterSink => {
  return async (message, reasonText, error, told) => {
    const listener = told ?? listenerOf(listeners, message, undefined, message.topic);
    const group = listener?.group ?? '';
    await keepMessage(store, message, {
      topic: message.topic,
      group,
      listener: listener?.name,
      call: listener && (await callOf(message, group)),
      reason: error instanceof InvalidMessageError ? 'POISON' : 'RETRIES_EXHAUSTED',
      reasonText,
      error,
      by,
    });
  };
};
