import { concatMap, defer, firstValueFrom, fromEvent, repeat, skipWhile, takeUntil, takeWhile } from 'rxjs';
import type { BehaviorSubject, Observable } from 'rxjs';
import type { Consumer, Delivery } from '../broker/consumer.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { fullJitter } from './retry-options.ts';

/** Most messages of one receive: the protocol's own limit. */
const MAX_BATCH = 32;
/** Backoff after failed receives: half of its ceiling is certain, so that a dead broker is never asked in a tight loop. */
const RECEIVE_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };

export interface ReceiveOptions {
  readonly consumer: Consumer;
  readonly leaseMs: number;
  readonly concurrency: number;
  /** How many deliveries are being worked, now and at every change. */
  readonly inFlight: BehaviorSubject<number>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly onError: () => void;
}

/**
 * The deliveries of one consumer, one receive in flight at a time, asking for no more than can be worked at once: with
 * no free place it asks for nothing, so the backlog stays with the broker and with whoever else is in the group.
 * A failed receive is logged and repeated after a backoff of 1 s doubling to 30 s; the stream never errors. It
 * completes once `stop` has aborted and the receive under way has settled; what that one still brought is emitted.
 */
export const receiveDeliveries = (options: ReceiveOptions, stop: AbortSignal): Observable<Delivery> => {
  const { consumer, clock, concurrency, inFlight, leaseMs, logger, random } = options;
  let failures = 0;

  const untilFree = (): Promise<unknown> => {
    const places = inFlight.pipe(
      skipWhile((taken) => taken >= concurrency),
      takeUntil(fromEvent(stop, 'abort')),
    );
    return firstValueFrom(places, { defaultValue: undefined });
  };

  /** `undefined` ends the stream. */
  const nextBatch = async (): Promise<readonly Delivery[] | undefined> => {
    if (!stop.aborted) await untilFree();
    if (stop.aborted) return undefined;
    try {
      const batch = await consumer.receive(Math.min(concurrency - inFlight.value, MAX_BATCH), leaseMs, stop);
      failures = 0;
      return batch;
    } catch (error) {
      if (stop.aborted) return undefined;
      failures += 1;
      options.onError();
      const ceilingMs = Math.min(RECEIVE_BACKOFF.maxMs, RECEIVE_BACKOFF.baseMs * 2 ** (failures - 1));
      const afterMs = ceilingMs / 2 + fullJitter(failures, RECEIVE_BACKOFF, random) / 2;
      logger.warn({ error, topic: consumer.topic, group: consumer.group, failures, afterMs }, 'receive failed; trying again');
      await clock.sleep(afterMs, stop).catch(() => {});
      return [];
    }
  };

  return defer(nextBatch).pipe(
    repeat(),
    takeWhile((batch) => batch !== undefined),
    concatMap((batch) => batch),
  );
};
