import type { EntityManager } from '@mikro-orm/core';
import type { Delivery } from '../broker/consumer.ts';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { ReceivedMessage } from '../broker/message.ts';
import { ClosedError, InvalidMessageError } from '../errors.ts';
import type { CallOutcome, Gateway } from '../gateway/gateway.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { applyOutcome } from './apply-outcome.ts';
import type { DeadLetterSink } from './dead-letter-sink.ts';
import { decodeMessage } from './decode-message.ts';
import { dispositionOfError, dispositionOfOutcome } from './disposition.ts';
import { keepLease } from './lease.ts';
import type { AnyMessageListener } from './message-listener.ts';
import { fullJitter } from './retry-options.ts';
import { settleDelivery } from './settle-delivery.ts';
import type { Settlement } from './settle-delivery.ts';
import type { WorkerLimits } from './worker-options.ts';
import type { Counters } from './worker-stats.ts';

export interface HandleContext {
  readonly listener: AnyMessageListener;
  readonly gateway: Gateway;
  readonly deadLetter: DeadLetterSink | undefined;
  readonly limits: Pick<WorkerLimits, 'leaseMs' | 'maxHandlingMs' | 'parkMs'>;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
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

interface Verdict {
  readonly settlement: Settlement;
  readonly error: unknown;
}

/**
 * Works one delivery under a lease: decode, call, decide, bury when dead, tell the broker. Whatever the listener, the
 * gateway or the sink throws ends in a decision about this delivery and reaches no other.
 */
export const handleDelivery = (delivery: Delivery, context: HandleContext): Handling => {
  const { message } = delivery;
  const { counters, limits, logger } = context;
  const fields = logFields(message, context.listener);
  const cancellation = new AbortController();
  const abandonment = Promise.withResolvers<Verdict>();

  const run = async (): Promise<void> => {
    const lease = keepLease(delivery, {
      leaseMs: limits.leaseMs,
      maxMs: limits.maxHandlingMs,
      clock: context.clock,
      onFailure: (error) => logger.warn({ ...fields, error }, 'lease not renewed; trying again'),
      onLost: (error) => logger.warn({ ...fields, error }, 'lease lost: the message may come again while it is still being worked'),
      onExhausted: () => {
        logger.error(
          { ...fields, maxHandlingMs: limits.maxHandlingMs },
          'handler runs too long: aborted, its lease is not renewed any more',
        );
        cancellation.abort(new DOMException(`handling took longer than ${limits.maxHandlingMs} ms`, 'TimeoutError'));
      },
    });
    const work = judge(message, context, cancellation.signal).then((verdict) => buryDead(message, verdict, context, fields));
    let verdict: Verdict;
    try {
      verdict = await Promise.race([work, abandonment.promise]);
    } finally {
      await lease.release();
    }
    await settleDelivery(delivery, verdict.settlement, { parkMs: limits.parkMs, counters, logger, fields });
  };

  return {
    ended: run().catch((error: unknown) => {
      counters.unsettled += 1;
      logger.error({ ...fields, error }, 'the worker failed on this delivery; the message comes again when its lease ends');
    }),
    cancel: () => cancellation.abort(new ClosedError('the worker is closing')),
    handBack: () => abandonment.resolve({ settlement: { kind: 'handBack' }, error: undefined }),
  };
};

/** What names a delivery on a log line; never its body. */
export const logFields = ({ messageId, deliveryAttempt, properties }: ReceivedMessage, { name }: AnyMessageListener): object => ({
  listener: name,
  correlationId: properties[MESSAGE_PROPERTY.correlationId] ?? messageId,
  messageId,
  deliveryAttempt,
});

const judge = async (message: ReceivedMessage, context: HandleContext, signal: AbortSignal): Promise<Verdict> => {
  const { gateway, listener, random } = context;
  if (listener.tag !== undefined && message.tag !== listener.tag) return { settlement: { kind: 'ack' }, error: undefined };
  const decision = { deliveryAttempt: message.deliveryAttempt, retry: listener.retry, random };
  try {
    const decoded = await decodeMessage(message, listener.payload);
    const idempotencyKey = listener.idempotencyKey(decoded);
    if (typeof idempotencyKey !== 'string' || idempotencyKey === '') {
      throw new InvalidMessageError(`message listener ${listener.name} has no idempotency key for message ${message.messageId}`);
    }
    const outcome = await gateway.call(listener.call, listener.input(decoded), {
      idempotencyKey,
      correlationId: decoded.correlationId,
      signal,
      apply: (em: EntityManager, end: CallOutcome<unknown>) => applyOutcome(listener, decoded, em, end),
    });
    const error = outcome.status === 'PENDING' ? outcome.error : undefined;
    return handedBackIfClosing({ settlement: dispositionOfOutcome(outcome, decision), error }, signal);
  } catch (error) {
    return handedBackIfClosing({ settlement: dispositionOfError(error, decision), error }, signal);
  }
};

/** A failure under a closing worker is the worker's, not the message's: no backoff, no dead letter. Poison stays poison. */
const handedBackIfClosing = (verdict: Verdict, signal: AbortSignal): Verdict =>
  verdict.settlement.kind !== 'ack' && signal.reason instanceof ClosedError && !(verdict.error instanceof InvalidMessageError)
    ? { ...verdict, settlement: { kind: 'handBack' } }
    : verdict;

const buryDead = async (message: ReceivedMessage, verdict: Verdict, context: HandleContext, fields: object): Promise<Verdict> => {
  const { settlement, error } = verdict;
  if (settlement.kind !== 'deadLetter' || context.deadLetter === undefined) return verdict;
  try {
    await context.deadLetter(message, settlement.reason, error);
    return { settlement: { kind: 'buried' }, error };
  } catch (failure) {
    context.logger.error({ ...fields, error: failure, reason: settlement.reason }, 'dead, and the dead-letter sink failed');
    const afterMs = fullJitter(message.deliveryAttempt, context.listener.retry, context.random);
    return { settlement: { kind: 'retry', afterMs, reason: 'the dead-letter sink failed' }, error };
  }
};
