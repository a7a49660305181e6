import type { ReceivedMessage } from '../broker/message.ts';
import type { AnyMessageListener } from './message-listener.ts';

/**
 * Keeps a message whose call ended UNKNOWN, so that somebody asks the institution later without the message being
 * delivered again. Resolves once that is durable: only then is the message acknowledged. Idempotent per call and
 * idempotency key, for a lost acknowledgement brings the same message and the same UNKNOWN again. Rejecting leaves the
 * message with the broker and it is offered again. `error` is what made the outcome unknown.
 */
export type UnknownOutcomeSink = (
  listener: AnyMessageListener,
  message: ReceivedMessage,
  idempotencyKey: string,
  error: unknown,
) => Promise<void>;
