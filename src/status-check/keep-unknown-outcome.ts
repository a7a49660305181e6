import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { Producer } from '../broker/producer.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import type { UnknownOutcomeSink } from '../worker/unknown-outcome-sink.ts';
import { emitStatusCheckEvent } from './diagnostics.ts';
import { errorCodeOf } from './error-code.ts';
import type { StatusCheckStore } from './status-check-store.ts';
import { MAX_TIMER_MS, timerMessage } from './timer-message.ts';

export interface KeepUnknownOutcomesOptions {
  readonly store: StatusCheckStore;
  /** Sends timer messages to a DELAY topic. Default: none, so that the sweep finds what is due. */
  readonly timers?: { readonly producer: Producer; readonly topic: string } | undefined;
  readonly logger?: Logger;
}

/**
 * What a worker calls when an outcome is unknown, before it acknowledges. Resolves once the status check is on record,
 * and rejects when it is not. The timer message is best effort: a record whose timer is lost is found by the sweep of any
 * `StatusChecker`. A call without a status check goes before a person at once.
 */
export const keepUnknownOutcomes =
  ({ store, timers, logger = silentLogger }: KeepUnknownOutcomesOptions): UnknownOutcomeSink =>
  async (listener, message, idempotencyKey, error) => {
    const key = { callName: listener.call.name, idempotencyKey };
    const correlationId = (message.properties[MESSAGE_PROPERTY.correlationId] ?? message.messageId).slice(0, 128);
    const event = { ...key, listener: listener.name, correlationId };
    const afterMs = listener.call.statusCheck?.afterMs;
    const isNew = await store.schedule({ ...event, message, errorCode: errorCodeOf(error), afterMs });
    if (!isNew) return;
    emitStatusCheckEvent('scheduled', { ...event, afterMs });
    if (afterMs === undefined) {
      logger.error(event, 'outcome unknown, and the call has no status check: a person has to decide');
      emitStatusCheckEvent('review', { ...event, reason: 'no-status-check', unknownForMs: 0 });
      return;
    }
    logger.info({ ...event, afterMs }, 'outcome unknown: status check on record');
    if (timers === undefined || afterMs > MAX_TIMER_MS) return;
    try {
      await timers.producer.send(timerMessage(timers.topic, key), { delayMs: afterMs });
    } catch (error) {
      logger.warn({ ...event, error }, 'timer message not confirmed; the sweep finds the status check when it is due');
      emitStatusCheckEvent('timer-failed', { ...event, error });
    }
  };
