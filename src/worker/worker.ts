import { BehaviorSubject, distinctUntilChanged, lastValueFrom, map, merge, mergeMap, skip } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Delivery } from '../broker/consumer.ts';
import { systemClock } from '../shared/clock.ts';
import { endsWithin } from '../shared/deadline.ts';
import { silentLogger } from '../shared/logger.ts';
import type { Logger } from '../shared/logger.ts';
import { CallPause } from './call-pause.ts';
import { emitWorkerEvent } from './diagnostics.ts';
import { handleDelivery, settleContext } from './handle-delivery.ts';
import type { HandleContext, Handling } from './handle-delivery.ts';
import { KeyTurns } from './key-turns.ts';
import type { AnyListener } from './message-listener.ts';
import { receiveDeliveries } from './receive-deliveries.ts';
import { RetryBudget } from './retry-budget.ts';
import { settleDelivery } from './settle-delivery.ts';
import { resolveConsumedListeners, resolveWorkerLimits } from './worker-options.ts';
import type { ConsumedListener, WorkerOptions } from './worker-options.ts';
import { newCounters, snapshot } from './worker-stats.ts';
import type { Counters, WorkerStats } from './worker-stats.ts';

/** What a drain came to. All three together are the deliveries that were in the worker when it began. */
export interface DrainResult {
  /** Worked to a decision, and the broker knows it. */
  readonly finished: number;
  readonly handedBack: number;
  /** The broker was not told, or did not confirm, in time: they come again when their lease ends. */
  readonly unsettled: number;
}

/** A running worker, one member of the pool that its consumer groups are. */
export interface Worker {
  /** A snapshot of the counters. */
  stats(): WorkerStats;
  /**
   * Receives no more from this moment, and lets running handlers finish for `deadlineMs` (default `drainMs`). Then their
   * signal aborts; what has not ended a second later is handed back, and comes to another worker within seconds.
   * Resolves at the latest 2 s after the deadline, even when broker and handlers hang; no timer is left. Idempotent:
   * every call gets the first one's result. Closes neither consumers nor gateway: close those afterwards.
   */
  close(deadlineMs?: number): Promise<DrainResult>;
}

/** How long cancelled handlers have to end by themselves, and after them the broker to take messages back. */
const LET_GO_MS = 1_000;

/**
 * Starts receiving at once, an RxJS pipeline a listener: receive what can be worked → work it at bounded concurrency →
 * acknowledge, postpone or bury. At-least-once: killed at any moment, a worker loses nothing, its deliveries come again
 * to the group when their lease ends. Sharing the load is the broker's: start more workers in the same group.
 * Throws `RangeError` naming a wrong figure, `ConfigurationError` naming a wrong listener.
 */
export const startWorker = (options: WorkerOptions): Worker => {
  const limits = resolveWorkerLimits(options);
  const consumed = resolveConsumedListeners(options);
  const { clock = systemClock, deadLetter, gateway, inTransaction, logger = silentLogger, processed } = options;
  const { random = Math.random, unknownOutcome } = options;
  const listeners = new Map<string, Counters>();
  const running = new Set<Handling>();
  const stop = new AbortController();

  const pipeline = ({ consumer, listener }: ConsumedListener): Observable<void> => {
    const counters = newCounters();
    listeners.set(listener.name, counters);
    const concurrency = listener.concurrency ?? limits.concurrency;
    const inFlight = new BehaviorSubject(0);
    const pause = new CallPause(clock);
    const context: HandleContext = {
      listener,
      gateway,
      processed,
      unknownOutcome,
      inTransaction,
      deadLetter,
      pause,
      // Half of the places at most wait for a key, so that one busy key cannot stop all the others.
      turns: new KeyTurns(Math.floor(concurrency / 2)),
      budget: new RetryBudget(listener.retry, clock),
      limits,
      counters,
      clock,
      logger,
      random,
      closing: stop.signal,
    };
    tellPauses(pause, listener, logger);
    if (listener.call !== undefined) {
      const { origin } = listener.call;
      const unsubscribe = gateway?.onCircuitChange?.((circuit) => {
        if (circuit.origin === origin) pause.circuitIs(circuit.state);
      });
      if (unsubscribe !== undefined) stop.signal.addEventListener('abort', unsubscribe, { once: true });
    }

    const work = async (delivery: Delivery): Promise<void> => {
      if (stop.signal.aborted) return settleDelivery(delivery, { kind: 'handBack' }, settleContext(delivery.message, context));
      const handling = handleDelivery(delivery, context);
      running.add(handling);
      await handling.ended;
      running.delete(handling);
    };
    const place = (change: 1 | -1): void => {
      counters.inFlight += change;
      inFlight.next(counters.inFlight);
    };

    const onError = (): void => void (counters.receiveErrors += 1);
    const { leaseMs } = limits;
    const { limit } = pause;
    return receiveDeliveries({ consumer, leaseMs, concurrency, inFlight, limit, clock, random, logger, onError }, stop.signal).pipe(
      // The bound holds even should a consumer bring more than it was asked for.
      mergeMap(async (delivery) => {
        counters.received += 1;
        emitWorkerEvent('received', () => settleContext(delivery.message, context).event);
        place(1);
        await work(delivery);
        place(-1);
      }, concurrency),
    );
  };

  const drained = lastValueFrom(merge(...consumed.map(pipeline)), { defaultValue: undefined });

  const drain = async (deadlineMs: number): Promise<DrainResult> => {
    const before = snapshot(listeners);
    stop.abort();
    logger.info({ inFlight: before.inFlight, deadlineMs }, 'worker draining');
    if (!(await endsWithin(drained, deadlineMs, clock))) {
      for (const handling of running) handling.cancel();
      if (!(await endsWithin(drained, LET_GO_MS, clock))) {
        for (const handling of running) handling.handBack();
        await endsWithin(drained, LET_GO_MS, clock);
      }
    }
    const after = snapshot(listeners);
    const settled = ({ acked, deadLettered, parked, retried }: WorkerStats): number => acked + retried + deadLettered + parked;
    const result = {
      finished: settled(after) - settled(before),
      handedBack: after.handedBack - before.handedBack,
      unsettled: after.unsettled - before.unsettled + after.inFlight,
    };
    logger.info(result, 'worker drained');
    emitWorkerEvent('drained', () => result);
    return result;
  };

  let closing: Promise<DrainResult> | undefined;
  return {
    stats: () => snapshot(listeners),
    close: (deadlineMs = limits.drainMs) => (closing ??= drain(deadlineMs)),
  };
};

/** Subscribes for as long as the listener's pause lives; it holds nothing else. */
const tellPauses = ({ limit }: CallPause, { call, group, name, topic }: AnyListener, logger: Logger): void => {
  const changes = limit.pipe(
    map((most) => Number.isFinite(most)),
    distinctUntilChanged(),
    skip(1),
  );
  changes.subscribe((isPaused) => {
    const event = { listener: name, topic, group, origin: call?.origin ?? '' };
    if (isPaused) logger.warn(event, 'paused: its institution is not to be called now');
    else logger.info(event, 'resumed');
    emitWorkerEvent(isPaused ? 'paused' : 'resumed', () => event);
  });
};
