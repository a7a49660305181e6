import type { ReceivedMessage } from '../message.ts';
import type { MessageView } from './client-package.ts';

/** The round number of a check-back; the proxy hands it out among the user's properties, and takes it back from there. */
export const CHECK_ROUND_PROPERTY = 'TRANSACTION_CHECK_TIMES';

/** Properties of the broker that leak into the user's. Sent again they would start a message with a used-up check budget. */
const BROKER_PROPERTIES = new Set([CHECK_ROUND_PROPERTY, '__transactionId__', 'CHECK_IMMUNITY_TIME_IN_SECONDS', 'TRACE_CONTEXT']);

/** The properties the sender set, without the broker's own. */
function userProperties(view: MessageView): Record<string, string> {
  return Object.fromEntries([...view.properties].filter(([name]) => !BROKER_PROPERTIES.has(name)));
}

/** What a delivered message and one that is asked about have in common. */
export function messageContent(view: MessageView): Omit<ReceivedMessage, 'deliveryAttempt'> {
  return {
    topic: view.topic,
    tag: view.tag ?? '',
    keys: view.keys,
    properties: userProperties(view),
    body: view.body,
    messageId: view.messageId,
    bornAt: view.bornTimestamp,
  };
}

export function receivedMessage(view: MessageView): ReceivedMessage {
  // Unset is 0 on the wire.
  return { ...messageContent(view), deliveryAttempt: Math.max(1, view.deliveryAttempt ?? 1) };
}
