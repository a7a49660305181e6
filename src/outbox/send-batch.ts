import { MESSAGE_PROPERTY } from '../broker/message.ts';
import { ClosedError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/error-message.ts';
import type { Logger } from '../shared/logger.ts';
import { emitOutboxEvent, type OutboxEvent } from './diagnostics.ts';
import { isRefusal } from './is-refusal.ts';
import { jittered } from './jitter.ts';
import { SentMarks } from './mark-sent.ts';
import type { OutboxRelayLimits } from './outbox-relay-options.ts';
import type { OutboxSender } from './outbox-sender.ts';
import type { ClaimedMessage, OutboxStore, ParkedLane } from './outbox-store.ts';

export interface SendContext {
  readonly relay: string;
  readonly store: OutboxStore;
  readonly sender: OutboxSender;
  readonly limits: OutboxRelayLimits;
  readonly parkedLane: ParkedLane;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/** What became of a batch. Messages that were let go of are in no number. */
export interface BatchCounts {
  sent: number;
  failed: number;
  parked: number;
  leasesLost: number;
}

/**
 * Sends a claimed batch, lanes side by side, each in its order; a failure ends its lane and lets go of the rest. Sends
 * nothing new once `signal` aborts or the lease nears its end. Resolves when everything is written down, or its lease is
 * over; never rejects.
 */
export async function sendBatch(
  batch: readonly ClaimedMessage[],
  endsAt: number,
  context: SendContext,
  signal: AbortSignal,
): Promise<BatchCounts> {
  const { relay, store, sender, limits, clock, random, logger } = context;
  const counts: BatchCounts = { sent: 0, failed: 0, parked: 0, leasesLost: 0 };
  const lost = (count: number): void => {
    if (count === 0) return;
    counts.leasesLost += count;
    emitOutboxEvent('lease-lost', { relay, count });
    logger.warn({ relay, count }, 'outbox messages were not written down under their lease; they may be sent twice');
  };
  /** Again until the lease is over: after that the fence refuses it anyway. */
  const insist = async (what: string, count: number, change: () => Promise<number>): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return lost(count - (await change()));
      } catch (error) {
        const pauseMs = jittered(limits.retryMs, limits.maxRetryMs, attempt, random);
        if (clock.now() + pauseMs >= endsAt || signal.aborted) {
          logger.warn({ relay, count, error }, `${what} of outbox messages was not written down`);
          return lost(count);
        }
        await clock.sleep(pauseMs, signal).catch(() => {});
      }
    }
  };
  const release = (messages: readonly ClaimedMessage[]): Promise<void> =>
    messages.length === 0 ? Promise.resolve() : insist('release', messages.length, () => store.release(messages));
  const marks = new SentMarks((messages) => insist('the sending', messages.length, () => store.markSent(messages, limits.keepSentMs)));
  const stopsSendingAt = endsAt - limits.leaseMs / 5;

  /** Whether the lane goes on. */
  const failed = async (message: ClaimedMessage, error: unknown): Promise<boolean> => {
    const event = eventOf(relay, message);
    if (error instanceof ClosedError) {
      await release([message]);
      return false;
    }
    if (isRefusal(error)) {
      counts.parked += 1;
      emitOutboxEvent('parked', { ...event, error });
      logger.error({ ...event, error }, 'the broker refuses an outbox message for good; it is parked');
      await insist('the parking', 1, async () => Number(await store.park(message, messageOf(error))));
      return context.parkedLane === 'pass';
    }
    counts.failed += 1;
    const retryInMs = Math.ceil(jittered(limits.retryMs, limits.maxRetryMs, message.attempt, random));
    emitOutboxEvent('failed', { ...event, error, attempt: message.attempt, retryInMs });
    logger.warn({ ...event, error, retryInMs }, 'an outbox message was not sent; trying again');
    await insist('the failure', 1, async () => Number(await store.retryLater(message, retryInMs, messageOf(error))));
    return false;
  };
  const sendLane = async (lane: readonly ClaimedMessage[]): Promise<void> => {
    for (const [index, message] of lane.entries()) {
      if (signal.aborted || clock.now() >= stopsSendingAt) return release(lane.slice(index));
      try {
        const { messageId } = await sender.send(message.message);
        counts.sent += 1;
        emitOutboxEvent('sent', () => ({ ...eventOf(relay, message), messageId, attempt: message.attempt }));
        marks.add(message);
      } catch (error) {
        if (!(await failed(message, error))) return release(lane.slice(index + 1));
      }
    }
  };

  const lanes = lanesOf(batch).values();
  const worker = async (): Promise<void> => {
    for (const lane of lanes) await sendLane(lane);
  };
  await Promise.all(Array.from({ length: limits.concurrency }, worker));
  await marks.written();
  return counts;
}

/** In the order of their first messages; a message without a lane is one by itself. */
function lanesOf(batch: readonly ClaimedMessage[]): readonly (readonly ClaimedMessage[])[] {
  const lanes = new Map<string | number, ClaimedMessage[]>();
  for (const message of batch) {
    const name = message.lane ?? message.id;
    const lane = lanes.get(name);
    if (lane === undefined) lanes.set(name, [message]);
    else lane.push(message);
  }
  return [...lanes.values()];
}

const eventOf = (relay: string, { id, message: { topic, properties } }: ClaimedMessage): OutboxEvent => ({
  relay,
  id,
  transactionId: properties[MESSAGE_PROPERTY.transactionId] ?? '',
  correlationId: properties[MESSAGE_PROPERTY.correlationId] ?? '',
  topic,
});
