import { setMaxListeners } from 'node:events';
import type { Delivery } from '../broker/consumer.ts';
import { ClosedError } from '../errors.ts';
import { systemClock } from '../shared/clock.ts';
import { endsWithin } from '../shared/deadline.ts';
import { silentLogger } from '../shared/logger.ts';
import { type CheckContext, knownCalls } from './check-context.ts';
import { checkOnce } from './check-once.ts';
import { emitStatusCheckEvent } from './diagnostics.ts';
import { Places } from './places.ts';
import type { ClaimedCheck } from './status-check-store.ts';
import { listenersByName, resolveStatusCheckerLimits, type StatusCheckerOptions } from './status-checker-options.ts';
import { readTimerMessage } from './timer-message.ts';

/** A running status checker, one of any number side by side. */
export interface StatusChecker {
  /**
   * Claims no more from this moment, and lets running checks finish for `deadlineMs` (default `drainMs`). Then their
   * signal aborts and what was not asked yet is released for others. Resolves at the latest a second after the deadline;
   * no timer is left. Idempotent. Closes neither store, gateway nor consumer: close those afterwards.
   */
  close(deadlineMs?: number): Promise<void>;
}

/** How long aborted checks have to let go of their records. */
const LET_GO_MS = 1_000;
/** A timer may fire this much early by the database's clock, and is then as good as due. */
const EARLY_MS = 1_000;
/** Most timer messages of one receive, and how long they are kept from other checkers: claiming takes milliseconds. */
const TIMER_BATCH = 16;
const TIMER_INVISIBLE_MS = 30_000;
const RECEIVE_PAUSE_MS = 5_000;
/** By then another process would have claimed what is its own. */
const OVERDUE_SWEEPS = 4;

/**
 * Starts asking at once: what a timer message names, and what each sweep finds due. Killed at any moment it loses
 * nothing: a record it had claimed is due again when its lease ends. Throws `RangeError` naming a wrong figure.
 */
export const startStatusChecker = (options: StatusCheckerOptions): StatusChecker => {
  const limits = resolveStatusCheckerLimits(options);
  const { calls, clock = systemClock, gateway, logger = silentLogger, random = Math.random, store, timers, worker } = options;
  const listeners = listenersByName(options.listeners);
  const known = knownCalls(listeners);
  const context: CheckContext = { store, calls, gateway, listeners, worker, logger, random };
  const places = new Places(limits.concurrency);
  const running = new Set<Promise<void>>();
  const stop = new AbortController();
  const abandon = new AbortController();
  // Every check listens, and none for longer than it runs.
  setMaxListeners(0, stop.signal, abandon.signal);

  const track = (work: Promise<void>): void => {
    running.add(work);
    void work.finally(() => running.delete(work));
  };
  /** Needs a place taken, and gives it back. */
  const run = (claimed: ClaimedCheck): void =>
    track(
      checkOnce(claimed, context, abandon.signal)
        .catch((error: unknown) => {
          const { callName, idempotencyKey } = claimed;
          logger.warn({ callName, idempotencyKey, error }, 'status check not written down; it is due again when its lease ends');
        })
        .finally(() => places.giveBack()),
    );

  const sweepOnce = async (): Promise<void> => {
    for (;;) {
      const taken = await places.take(limits.concurrency, stop.signal);
      if (taken === 0) return;
      let claimed: ClaimedCheck[] = [];
      try {
        claimed = await store.claim({ calls: known, limit: taken, leaseMs: limits.leaseMs });
      } finally {
        if (claimed.length < taken) places.giveBack(taken - claimed.length);
      }
      claimed.forEach(run);
      if (claimed.length < taken) return;
    }
  };
  const sweep = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await sweepOnce();
        await store.closeSettled();
        for (const other of await store.overdueOfOthers(known, OVERDUE_SWEEPS * limits.sweepMs)) {
          logger.warn(other, 'status checks of a listener that is not here are overdue: does any process have it?');
          emitStatusCheckEvent('unknown-listener', other);
        }
      } catch (error) {
        logger.warn({ error }, 'status checks not swept; trying again');
      }
      await clock.sleep(limits.sweepMs * (0.5 + random()), stop.signal).catch(() => {});
    }
  };

  const onTimer = async (delivery: Delivery): Promise<void> => {
    const key = readTimerMessage(delivery.message.body);
    if (key !== undefined && (await places.take(1, stop.signal)) === 0) return;
    let claimed: ClaimedCheck | undefined;
    try {
      claimed = key && (await store.claimOne(key, { leaseMs: limits.leaseMs, earlyMs: EARLY_MS }));
    } finally {
      if (key !== undefined && claimed === undefined) places.giveBack();
    }
    if (claimed !== undefined) run(claimed);
    // The record is the truth, and the sweep reads it: a timer has nothing left to say.
    await delivery.ack();
  };
  const followTimers = async (): Promise<void> => {
    while (timers !== undefined && !stop.signal.aborted) {
      try {
        for (const delivery of await timers.receive(TIMER_BATCH, TIMER_INVISIBLE_MS, stop.signal)) {
          await onTimer(delivery).catch((error: unknown) => logger.debug({ error }, 'timer message not settled; it may come again'));
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        logger.warn({ error, topic: timers.topic }, 'timer messages not received; trying again');
        await clock.sleep(RECEIVE_PAUSE_MS * (0.5 + random()), stop.signal).catch(() => {});
      }
    }
  };

  const loops = Promise.all([sweep(), followTimers()]);
  const ended = async (): Promise<void> => {
    await loops;
    while (running.size > 0) await Promise.all(running);
  };
  const drain = async (deadlineMs: number): Promise<void> => {
    stop.abort(new ClosedError('the status checker is closing'));
    const all = ended();
    if (await endsWithin(all, deadlineMs, clock)) return;
    abandon.abort(new ClosedError('the status checker is closing'));
    if (!(await endsWithin(all, LET_GO_MS, clock)))
      logger.warn({ running: running.size }, 'status checks left running: their leases end by themselves');
  };
  let closing: Promise<void> | undefined;
  return { close: (deadlineMs = limits.drainMs) => (closing ??= drain(deadlineMs)) };
};
