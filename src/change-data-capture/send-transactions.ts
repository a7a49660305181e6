import { MESSAGE_PROPERTY, type OutgoingMessage } from '../broker/message.ts';
import { BrokerError, ClosedError } from '../errors.ts';
import { jittered } from '../outbox/jitter.ts';
import type { OutboxSender } from '../outbox/outbox-sender.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/error-message.ts';
import type { Logger } from '../shared/logger.ts';
import type { CaptureLimits, RefusedMessage } from './capture-options.ts';
import { type CaptureMessageEvent, emitCaptureEvent } from './diagnostics.ts';
import type { ParkingLot } from './position-store.ts';

export interface SendContext {
  readonly name: string;
  readonly sender: OutboxSender;
  readonly parking: ParkingLot;
  readonly refused: RefusedMessage;
  readonly limits: Pick<CaptureLimits, 'concurrency' | 'retryMs' | 'maxRetryMs'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counts: SendCounts;
}

export interface SendCounts {
  sent: number;
  failed: number;
  parked: number;
}

interface Outgoing {
  /** Which transaction, and which of its messages. */
  readonly transaction: number;
  readonly seq: number;
  readonly message: OutgoingMessage;
}

/**
 * Sends the messages of consecutive transactions: those of one topic and first key one after the other in their order,
 * others side by side. A send that fails is tried until it succeeds. Resolves to how many of the transactions, counted
 * from the first without a gap, have all their messages confirmed or parked: all of them, unless `signal` aborts, which
 * lets sends in progress end and begins no more. Never rejects.
 */
export async function sendTransactions(
  transactions: readonly (readonly OutgoingMessage[])[],
  context: SendContext,
  signal: AbortSignal,
): Promise<number> {
  const missing = transactions.map((messages) => messages.length);
  const lanes = lanesOf(transactions).values();
  const worker = async (): Promise<void> => {
    for (const lane of lanes) {
      for (const outgoing of lane) {
        if (!(await sendUntilDone(outgoing, context, signal))) break;
        missing[outgoing.transaction]! -= 1;
      }
      if (signal.aborted) return;
    }
  };
  await Promise.all(Array.from({ length: context.limits.concurrency }, worker));
  const gap = missing.findIndex((count) => count > 0);
  return gap < 0 ? transactions.length : gap;
}

/** Whether it is done; false when `signal` aborted first. */
async function sendUntilDone({ message, seq }: Outgoing, context: SendContext, signal: AbortSignal): Promise<boolean> {
  const { name, sender, parking, refused, limits, clock, random, logger, counts } = context;
  const event: CaptureMessageEvent = {
    name,
    transactionId: message.properties[MESSAGE_PROPERTY.transactionId] ?? '',
    correlationId: message.properties[MESSAGE_PROPERTY.correlationId] ?? '',
    topic: message.topic,
  };
  let isHeld = false;
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      const { messageId } = await sender.send(message);
      counts.sent += 1;
      emitCaptureEvent('sent', { ...event, messageId, attempt });
      return true;
    } catch (error) {
      let failure = error;
      const isRefused = isRefusal(error);
      if (isRefused && refused === 'park') {
        try {
          await parking.park(message, seq, messageOf(error));
          counts.parked += 1;
          emitCaptureEvent('parked', { ...event, error });
          logger.error({ ...event, error }, 'the broker refuses a captured message for good; it is parked');
          return true;
        } catch (notParked) {
          failure = notParked;
        }
      }
      if (isRefused && refused === 'hold' && !isHeld) {
        isHeld = true;
        emitCaptureEvent('held', { ...event, error });
        logger.error({ ...event, error }, 'the broker refuses a captured message for good; everything waits until it takes it');
      }
      counts.failed += 1;
      const retryInMs = isHeld ? limits.maxRetryMs : Math.max(1, Math.ceil(jittered(limits.retryMs, limits.maxRetryMs, attempt, random)));
      emitCaptureEvent('failed', { ...event, error: failure, attempt, retryInMs });
      if (!isHeld) logger.warn({ ...event, error: failure, attempt, retryInMs }, 'a captured message was not sent; trying again');
      await clock.sleep(retryInMs, signal).catch(() => {});
    }
  }
  return false;
}

/** In the order of their first messages; a message without keys is one by itself. */
function lanesOf(transactions: readonly (readonly OutgoingMessage[])[]): readonly (readonly Outgoing[])[] {
  const lanes = new Map<string | symbol, Outgoing[]>();
  for (const [transaction, messages] of transactions.entries()) {
    for (const [seq, message] of messages.entries()) {
      const [key] = message.keys;
      const name = key === undefined ? Symbol('alone') : `${message.topic}\0${key}`;
      const lane = lanes.get(name);
      const outgoing = { transaction, seq, message };
      if (lane === undefined) lanes.set(name, [outgoing]);
      else lane.push(outgoing);
    }
  }
  return [...lanes.values()];
}

/** Understood and refused by the broker: the same message is refused again. A topic that is missing or of another type is not the message's fault. */
const isRefusal = (error: unknown): boolean => error instanceof BrokerError && !error.retryable && !(error.cause instanceof ClosedError);
