import { combineLatest, concatMap, defer, firstValueFrom, fromEvent, map, repeat, skipWhile, takeUntil, takeWhile } from 'rxjs';
import type { BehaviorSubject, Observable } from 'rxjs';
import type { Consumer, Delivery } from '../broker/consumer.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { fullJitter } from './retry-options.ts';

/** Most messages of one receive: the protocol's own limit. */
const MAX_BATCH = 32;
/** How long a place may stay empty for more of them to get free: a receive for one message costs what one for 32 costs. */
const GATHER_MS = 20;
/** Backoff after failed receives: half of its ceiling is certain, so that a dead broker is never asked in a tight loop. */
const RECEIVE_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };

export interface ReceiveOptions {
  readonly consumer: Consumer;
  readonly leaseMs: number;
  readonly concurrency: number;
  /** How many deliveries are being worked, now and at every change. */
  readonly inFlight: BehaviorSubject<number>;
  /** Deliveries that may be worked at most for now, whatever the concurrency. */
  readonly limit: BehaviorSubject<number>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly onError: () => void;
}

/**
 * The deliveries of one consumer, one receive in flight at a time, asking for no more than can be worked at once: with
 * no free place it asks for nothing, so the backlog stays with the broker and with whoever else is in the group. It asks
 * once a quarter of the places (32 at most) is free, or fewer have been for 20 ms: slow handlers leave no place empty.
 * A failed receive is logged and repeated after a backoff of 1 s doubling to 30 s; the stream never errors. It
 * completes once `stop` has aborted and the receive under way has settled; what that one still brought is emitted.
 */
export const receiveDeliveries = (options: ReceiveOptions, stop: AbortSignal): Observable<Delivery> => {
  const { consumer, clock, concurrency, inFlight, limit, leaseMs, logger, random } = options;
  const fewest = Math.min(MAX_BATCH, Math.ceil(concurrency / 4));
  let failures = 0;

  /** Places that may be filled now. */
  const free = combineLatest([inFlight, limit]).pipe(map(([taken, most]) => Math.min(concurrency, most) - taken));
  const now = (): number => Math.min(concurrency, limit.value) - inFlight.value;

  const untilFree = (places: number, end: AbortSignal): Promise<unknown> => {
    if (now() >= places || end.aborted) return Promise.resolve();
    const enough = free.pipe(
      skipWhile((count) => count < places),
      takeUntil(fromEvent(end, 'abort')),
    );
    return firstValueFrom(enough, { defaultValue: undefined });
  };

  const untilWorthwhile = async (): Promise<void> => {
    await untilFree(1, stop);
    if (now() >= fewest || stop.aborted) return;
    const late = new AbortController();
    const either = AbortSignal.any([stop, late.signal]);
    void clock.sleep(GATHER_MS, either).then(
      () => late.abort(),
      () => {},
    );
    await untilFree(fewest, either);
    late.abort();
  };

  /** `undefined` ends the stream. */
  const nextBatch = async (): Promise<readonly Delivery[] | undefined> => {
    if (!stop.aborted) await untilWorthwhile();
    if (stop.aborted) return undefined;
    if (now() <= 0) return [];
    try {
      const batch = await consumer.receive(Math.min(now(), MAX_BATCH), leaseMs, stop);
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
