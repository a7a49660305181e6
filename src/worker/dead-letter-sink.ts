import type { ReceivedMessage } from '../broker/message.ts';
import type { AnyListener } from './message-listener.ts';

/**
 * Keeps a message that no further delivery would help, with the reason and the error behind it (`undefined` when a
 * call's outcome and not an error decided). Resolves once it is kept durably: only then is the message acknowledged, so
 * it must be idempotent, for a lost acknowledgement brings the same message again. Rejecting leaves the message with
 * the broker and it is offered again.
 *
 * A worker without a sink acknowledges nothing: it logs and postpones the message by `parkMs`, again at every delivery,
 * until the broker's own limit (`retryMaxTimes` + 1 deliveries) moves it to `%DLQ%<group>`. So it is never lost.
 */
export type DeadLetterSink = (message: ReceivedMessage, reason: string, error: unknown, listener: AnyListener) => Promise<void>;
