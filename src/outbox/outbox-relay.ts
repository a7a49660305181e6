import { hostname } from 'node:os';
import { systemClock } from '../shared/clock.ts';
import { endsWithin } from '../shared/deadline.ts';
import { silentLogger } from '../shared/logger.ts';
import { emitOutboxEvent } from './diagnostics.ts';
import { jittered } from './jitter.ts';
import { type OutboxRelayOptions, resolveOutboxRelayLimits, resolveParkedLane } from './outbox-relay-options.ts';
import { type BatchCounts, type SendContext, sendBatch } from './send-batch.ts';

/** What a relay of this process has done since it was started. What there is to do the store tells: `backlog()`. */
export interface OutboxRelayStats extends Readonly<BatchCounts> {
  readonly claimed: number;
  readonly cleaned: number;
}

/** A running relay, one of any number side by side. */
export interface OutboxRelay {
  stats(): OutboxRelayStats;
  /**
   * Claims and sends nothing more from this moment, lets sends in progress be written down for `deadlineMs` (default
   * `drainMs`) and lets go of the rest of its batch. What is not written down by then waits for the end of its lease and is
   * sent again. Idempotent; never rejects; no timer is left.
   */
  close(deadlineMs?: number): Promise<void>;
}

/**
 * Starts sending at once what transactions have left in the outbox. At least once: a relay that dies between a send and
 * its row's mark leaves a message that is sent again when its lease ends. Messages of one lane (topic and first key) are
 * stored by the broker in the order they were written, whichever relays send them. Throws `RangeError` naming a wrong figure.
 */
export function startOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  const limits = resolveOutboxRelayLimits(options);
  const { store, sender, commits, clock = systemClock, logger = silentLogger, random = Math.random } = options;
  const relay = options.name ?? `${hostname()}/${process.pid}`;
  const parkedLane = resolveParkedLane(options.parkedLane);
  const context: SendContext = { relay, store, sender, limits, parkedLane, clock, random, logger };
  const totals = { claimed: 0, cleaned: 0, sent: 0, failed: 0, parked: 0, leasesLost: 0 };
  const stop = new AbortController();
  let rung = false;
  let wake = (): void => {};
  const unsubscribe = commits?.onCommitted(() => {
    rung = true;
    wake();
  });

  /** What a look brought: work, nothing, or a database or broker that does not answer. */
  const look = async (): Promise<'work' | 'nothing' | 'trouble'> => {
    rung = false;
    const endsAt = clock.now() + limits.leaseMs;
    const batch = await store.claim({ owner: relay, limit: limits.batch, leaseMs: limits.leaseMs, parkedLane });
    if (batch.length === 0) return 'nothing';
    totals.claimed += batch.length;
    emitOutboxEvent('claimed', { relay, count: batch.length });
    const counts = await sendBatch(batch, endsAt, context, stop.signal);
    for (const name of ['sent', 'failed', 'parked', 'leasesLost'] as const) totals[name] += counts[name];
    return counts.sent === 0 && counts.failed > 0 ? 'trouble' : 'work';
  };

  /** Until somebody commits here, if that may end it. */
  const pause = async (ms: number, { isWakeable }: { readonly isWakeable: boolean }): Promise<void> => {
    if (isWakeable && rung) return;
    const woken = new AbortController();
    if (isWakeable) wake = () => woken.abort();
    // At least a moment: a random zero, again and again, would be a loop without a pause.
    await clock.sleep(Math.max(1, Math.ceil(ms)), AbortSignal.any([stop.signal, woken.signal])).catch(() => {});
    wake = () => {};
  };

  const poll = async (): Promise<void> => {
    let idle = 0;
    let troubled = 0;
    while (!stop.signal.aborted) {
      const brought = await look().catch((error: unknown) => {
        logger.warn({ relay, error }, 'outbox not claimed; trying again');
        return 'trouble' as const;
      });
      idle = brought === 'nothing' ? idle + 1 : 0;
      troubled = brought === 'trouble' ? troubled + 1 : 0;
      // Each new order must not be another knock at a broker that is down.
      if (brought === 'trouble') await pause(jittered(limits.retryMs, limits.maxRetryMs, troubled, random), { isWakeable: false });
      if (brought === 'nothing') await pause(jittered(limits.minPollMs, limits.maxPollMs, idle, random), { isWakeable: true });
      if (rung) idle = 0;
    }
  };

  const cleanUp = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(limits.cleanupMs * (0.5 + random()), stop.signal).catch(() => {});
      try {
        for (let count = limits.cleanupBatch; count >= limits.cleanupBatch && !stop.signal.aborted;) {
          count = await store.deleteKept(limits.cleanupBatch);
          totals.cleaned += count;
          if (count > 0) emitOutboxEvent('cleaned', { relay, count });
        }
      } catch (error) {
        logger.warn({ relay, error }, 'outbox not cleaned up; trying again');
      }
    }
  };

  const running = Promise.all([poll(), cleanUp()]);
  let closing: Promise<void> | undefined;
  return {
    stats: () => ({ ...totals }),
    close(deadlineMs = limits.drainMs) {
      closing ??= (async () => {
        unsubscribe?.();
        stop.abort(new Error('the relay is closed'));
        if (!(await endsWithin(running, deadlineMs, clock)))
          logger.warn({ relay }, 'outbox relay closed with sends in progress; they are sent again when their lease ends');
      })();
      return closing;
    },
  };
}
