import type { Delivery } from '../broker/consumer.ts';
import { MESSAGE_PROPERTY, traceOf } from '../broker/message.ts';
import type { ReceivedMessage } from '../broker/message.ts';
import { ClosedError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import type { DeadLetterSink } from './dead-letter-sink.ts';
import { emitWorkerEvent, runWorkerOperation } from './diagnostics.ts';
import type { DeliveryEvent } from './diagnostics.ts';
import { failureClassOf } from './failure-class.ts';
import { keepLease } from './lease.ts';
import type { AnyListener } from './message-listener.ts';
import type { RetryBudget } from './retry-budget.ts';
import { fullJitter } from './retry-options.ts';
import { settleDelivery } from './settle-delivery.ts';
import type { SettleContext } from './settle-delivery.ts';
import { workMessage } from './work-message.ts';
import type { Verdict, WorkTools } from './work-message.ts';
import type { WorkerLimits } from './worker-options.ts';
import type { Counters } from './worker-stats.ts';

export interface HandleContext extends WorkTools {
  readonly deadLetter: DeadLetterSink | undefined;
  readonly budget: RetryBudget;
  readonly limits: Pick<WorkerLimits, 'leaseMs' | 'maxHandlingMs' | 'parkMs'>;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A delivery being worked. */
export interface Handling {
  /** Resolves when the broker has been told what became of it, or did not confirm. Never rejects. */
  readonly ended: Promise<void>;
  /** Aborts the handler's signal; unless it reaches an end nevertheless, the message is handed back. */
  cancel(): void;
  /** Waits for the handler no longer and hands the message back at once. */
  handBack(): void;
}

/**
 * Works one delivery under a lease: decode, work, decide, bury when dead, tell the broker. Whatever the listener, the
 * gateway or the sink throws ends in a decision about this delivery and reaches no other.
 */
export const handleDelivery = (delivery: Delivery, context: HandleContext): Handling => {
  const { message } = delivery;
  const { counters, limits, logger } = context;
  const settling = settleContext(message, context);
  const { event, fields } = settling;
  const cancellation = new AbortController();
  const abandonment = Promise.withResolvers<Verdict>();

  const run = async (): Promise<void> => {
    context.budget.delivered(message.deliveryAttempt);
    const lease = keepLease(delivery, {
      leaseMs: limits.leaseMs,
      maxMs: limits.maxHandlingMs,
      clock: context.clock,
      onFailure: (error) => logger.warn({ ...fields, error }, 'lease not renewed; trying again'),
      onLost: (error) => {
        logger.warn({ ...fields, error }, 'lease lost: the message may come again while it is still being worked');
        emitWorkerEvent('lease-lost', () => ({ ...event, error }));
      },
      onExhausted: () => {
        logger.error(
          { ...fields, maxHandlingMs: limits.maxHandlingMs },
          'handler runs too long: aborted, its lease is not renewed any more',
        );
        cancellation.abort(new DOMException(`handling took longer than ${limits.maxHandlingMs} ms`, 'TimeoutError'));
      },
    });
    const work = workMessage(message, context, cancellation.signal)
      .then((verdict) => buryDead(message, verdict, context, settling))
      .then((verdict) => withinBudget(verdict, context));
    let verdict: Verdict;
    try {
      verdict = await Promise.race([work, abandonment.promise]);
    } finally {
      await lease.release();
    }
    await settleDelivery(delivery, verdict.settlement, settling);
  };

  return {
    ended: runWorkerOperation('delivery', () => ({ ...event, trace: traceOf(message), bornAt: message.bornAt }), run).catch(
      (error: unknown) => {
        counters.unsettled += 1;
        logger.error({ ...fields, error }, 'the worker failed on this delivery; the message comes again when its lease ends');
      },
    ),
    cancel: () => cancellation.abort(new ClosedError('the worker is closing')),
    handBack: () => abandonment.resolve({ settlement: { kind: 'handBack' }, error: undefined }),
  };
};

/** What settling a delivery that has just come takes: what names it in logs and events (never its body), and when it came. */
export const settleContext = (
  message: ReceivedMessage,
  { clock, counters, limits, listener, logger }: Pick<HandleContext, 'clock' | 'counters' | 'limits' | 'listener' | 'logger'>,
): SettleContext => {
  const fields = namesOf(message, listener);
  const event: DeliveryEvent = { ...fields, topic: listener.topic, group: listener.group };
  return { parkMs: limits.parkMs, counters, logger, clock, fields, event, receivedAt: clock.now() };
};

const namesOf = ({ messageId, deliveryAttempt, properties }: ReceivedMessage, { name }: AnyListener) => ({
  listener: name,
  correlationId: properties[MESSAGE_PROPERTY.correlationId] ?? messageId,
  messageId,
  deliveryAttempt,
});

const buryDead = async (
  message: ReceivedMessage,
  verdict: Verdict,
  context: HandleContext,
  { event, fields }: SettleContext,
): Promise<Verdict> => {
  const { settlement, error } = verdict;
  if (settlement.kind !== 'deadLetter') return verdict;
  const { reason } = settlement;
  if (context.deadLetter !== undefined) {
    try {
      await context.deadLetter(message, reason, error, context.listener);
    } catch (failure) {
      context.logger.error({ ...fields, error: failure, reason }, 'dead, and the dead-letter sink failed');
      const afterMs = fullJitter(message.deliveryAttempt, context.listener.retry, context.random);
      return { settlement: { kind: 'retry', afterMs, reason: 'the dead-letter sink failed' }, error };
    }
  }
  emitWorkerEvent('dead-lettered', () => ({ ...event, reason, error }));
  return context.deadLetter === undefined ? verdict : { settlement: { kind: 'buried' }, error };
};

/**
 * Over the budget a message comes later: somewhere in the upper half of the longest backoff. What was not tried at all
 * costs nobody anything, so it is no matter of the budget.
 */
const withinBudget = ({ settlement, error }: Verdict, { budget, listener, random }: HandleContext): Verdict => {
  const isTried = settlement.kind === 'retry' && error !== undefined && failureClassOf(error) !== 'throttled';
  if (!isTried || budget.spend()) return { settlement, error };
  const { maxMs } = listener.retry;
  const afterMs = Math.max(settlement.afterMs, Math.floor((maxMs * (1 + random())) / 2));
  return { settlement: { ...settlement, afterMs, reason: `${settlement.reason} (over the retry budget)` }, error };
};
