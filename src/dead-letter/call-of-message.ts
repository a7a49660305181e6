import type { ReceivedMessage } from '../broker/message.ts';
import type { decodeMessage } from '../worker/decode-message.ts';
import type { AnyListener } from '../worker/message-listener.ts';

/** A listener, and its idempotency key for one message. */
export interface KnownCall {
  readonly listener: AnyListener;
  readonly idempotencyKey: string;
}

/**
 * What a message leads to by the code of today: its listener found by group and topic (any topic for a message
 * out of the broker's own dead-letter queue) and tag, its key by the listener. `undefined` when nobody knows, a body
 * that cannot be decoded included. Never rejects.
 */
export type CallOf = (message: ReceivedMessage, group: string, topic?: string) => Promise<KnownCall | undefined>;

export const callOf =
  (listeners: readonly AnyListener[], decode: typeof decodeMessage): CallOf =>
  async (message, group, topic = message.topic) => {
    const listener = listenerOf(listeners, message, group, topic);
    if (listener?.idempotencyKey === undefined) return undefined;
    try {
      const idempotencyKey: unknown = listener.idempotencyKey(await decode(message, listener.payload));
      return typeof idempotencyKey === 'string' && idempotencyKey !== '' ? { listener, idempotencyKey } : undefined;
    } catch {
      return undefined;
    }
  };

/** The one listener of this group and topic that takes the message; `undefined` when none or several might. */
export const listenerOf = (
  listeners: readonly AnyListener[],
  { tag }: Pick<ReceivedMessage, 'tag'>,
  group: string | undefined,
  topic: string,
): AnyListener | undefined => {
  const [first, ...others] = listeners.filter(
    (listener) =>
      (group === undefined || listener.group === group) &&
      (topic.startsWith('%DLQ%') || listener.topic === topic) &&
      (listener.tag === undefined || listener.tag === tag),
  );
  return others.length === 0 ? first : undefined;
};
