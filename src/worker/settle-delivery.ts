import type { Delivery } from '../broker/consumer.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { emitWorkerEvent } from './diagnostics.ts';
import type { DeliveryEvent, WorkerDiagnostics } from './diagnostics.ts';
import type { Disposition } from './disposition.ts';
import type { Counters } from './worker-stats.ts';

/** What the broker is told about a delivery: a disposition, or that a closing worker could not finish it. */
export type Settlement = Disposition | { readonly kind: 'handBack' } | { readonly kind: 'buried' };

/** A handed-back message comes again after this long: time for an aborted handler to let go of its call's row. */
export const HAND_BACK_MS = 1_000;

export interface SettleContext {
  readonly parkMs: number;
  readonly counters: Counters;
  readonly logger: Logger;
  /** What names the delivery on every log line. */
  readonly fields: object;
  /** What names it in events, and when it came. */
  readonly event: DeliveryEvent;
  readonly receivedAt: number;
  readonly clock: Clock;
}

/**
 * Tells the broker: acknowledges what is done or `buried` (kept by a dead-letter sink), postpones the rest, and counts
 * it. Never rejects: when the broker does not confirm, the message is left to its redelivery, which the idempotency key
 * makes harmless.
 */
export const settleDelivery = async (delivery: Delivery, settlement: Settlement, context: SettleContext): Promise<void> => {
  const told = (disposition: WorkerDiagnostics['settled']['disposition']): void =>
    emitWorkerEvent('settled', () => ({
      ...context.event,
      disposition,
      reason: 'reason' in settlement ? settlement.reason : undefined,
      tookMs: context.clock.now() - context.receivedAt,
    }));
  try {
    await tellBroker(delivery, settlement, context);
    told(settlement.kind);
  } catch (error) {
    context.counters.unsettled += 1;
    context.logger.warn(
      { ...context.fields, error, settlement: settlement.kind },
      'the broker did not confirm; the message comes again when its lease ends',
    );
    told('unsettled');
  }
};

const tellBroker = async (
  delivery: Delivery,
  settlement: Settlement,
  { counters, fields, logger, parkMs }: SettleContext,
): Promise<void> => {
  switch (settlement.kind) {
    case 'ack':
      await delivery.ack();
      counters.acked += 1;
      return logger.debug(fields, 'acknowledged');
    case 'buried':
      await delivery.ack();
      counters.deadLettered += 1;
      return logger.info(fields, 'dead-lettered and acknowledged');
    case 'retry':
      logger.warn({ ...fields, afterMs: settlement.afterMs, reason: settlement.reason }, 'coming again');
      await delivery.changeInvisibleDuration(settlement.afterMs);
      counters.retried += 1;
      return;
    case 'deadLetter':
      logger.error(
        { ...fields, afterMs: parkMs, reason: settlement.reason },
        'dead, and no dead-letter sink: postponed, the broker moves it to its %DLQ% after its own limit',
      );
      await delivery.changeInvisibleDuration(parkMs);
      counters.parked += 1;
      return;
    case 'handBack':
      await delivery.changeInvisibleDuration(HAND_BACK_MS);
      counters.handedBack += 1;
      return logger.info(fields, 'handed back: the worker is closing');
  }
};
