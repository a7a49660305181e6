import type { ReceivedMessage } from '../message.ts';
import type { MessageView } from './client-package.ts';

/** The round number of a check-back; the proxy hands it out among the user's properties, and takes it back from there. */
export const CHECK_ROUND_PROPERTY = 'TRANSACTION_CHECK_TIMES';

/** Properties of the broker that leak into the user's. Sent again they would start a message with a used-up check budget. */
const BROKER_PROPERTIES = new Set([CHECK_ROUND_PROPERTY, '__transactionId__', 'CHECK_IMMUNITY_TIME_IN_SECONDS', 'TRACE_CONTEXT']);

/** The properties the sender set, without the broker's own. */
export function userProperties(view: MessageView): Record<string, string> {
  return Object.fromEntries([...view.properties].filter(([name]) => !BROKER_PROPERTIES.has(name)));
}

export function receivedMessage(view: MessageView): ReceivedMessage {
  return {
    topic: view.topic,
    tag: view.tag ?? '',
    keys: view.keys,
    properties: userProperties(view),
    body: view.body,
    messageId: view.messageId,
    // Unset is 0 on the wire.
    deliveryAttempt: Math.max(1, view.deliveryAttempt ?? 1),
    bornAt: view.bornTimestamp,
  };
}
