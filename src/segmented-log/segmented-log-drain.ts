import { MESSAGE_PROPERTY } from '../broker/message.ts';
import { BrokerError } from '../errors.ts';
import { isRefusal } from '../outbox/is-refusal.ts';
import { jittered } from '../outbox/jitter.ts';
import { systemClock } from '../shared/clock.ts';
import { endsWithin } from '../shared/deadline.ts';
import { messageOf } from '../shared/error-message.ts';
import { silentLogger } from '../shared/logger.ts';
import { CursorKeeper } from './cursor-keeper.ts';
import { emitSegmentedLogEvent, type LoggedMessageEvent } from './diagnostics.ts';
import { resolveSegmentedLogDrainLimits, type SegmentedLogDrainOptions } from './drain-options.ts';
import type { DrainSide } from './drain-side.ts';
import { LaneFiller } from './fill-lanes.ts';
import { Lanes, type NumberedMessage, type Turn } from './lanes.ts';

/** What a drain has done since it was started. What there is to do the log tells: `stats()`. */
export interface SegmentedLogDrainStats {
  readonly sent: number;
  readonly failed: number;
  readonly parked: number;
}

/** The one drain of a log. */
export interface SegmentedLogDrain {
  stats(): SegmentedLogDrainStats;
  /**
   * Sends what is still there for `deadlineMs` (default `drainMs`), writes down how far it came and gives the log back.
   * Ends at once when nothing can be sent now; what is left waits for the next process. What was being sent when the time
   * was over is sent again then. Idempotent; never rejects; no timer is left.
   */
  close(deadlineMs?: number): Promise<void>;
}

/**
 * Starts the log, if nobody has, and sends what is in it to the broker, beginning with what earlier processes left. At
 * least once: what was sent since the cursor was last written, `cursorMs` at most, is sent again after a crash. Messages of
 * one topic and first key are stored by the broker in the order they were appended; one that the broker refuses for good is
 * parked with its reason, and the later ones go on. A log that cannot be opened is told to the logger, once, and to
 * whoever starts the log. Throws `RangeError` naming a wrong figure.
 */
export function startSegmentedLogDrain(options: SegmentedLogDrainOptions): SegmentedLogDrain {
  const limits = resolveSegmentedLogDrainLimits(options);
  const { log, sender, clock = systemClock, logger = silentLogger, random = Math.random } = options;
  const { directory } = log;
  const totals = { sent: 0, failed: 0, parked: 0 };
  const lanes = new Lanes();
  const over = new AbortController();
  let isClosing = false;
  let inFlight = 0;
  /** Sends that failed for want of a broker since one was answered. */
  let unanswered = 0;
  let pausedUntil = 0;
  let isRung = false;
  let wake = (): void => {};
  const ring = (): void => {
    isRung = true;
    wake();
  };

  const eventOf = ({ number, message: { topic, properties } }: NumberedMessage): LoggedMessageEvent => ({
    directory,
    number,
    transactionId: properties[MESSAGE_PROPERTY.transactionId] ?? '',
    correlationId: properties[MESSAGE_PROPERTY.correlationId] ?? '',
    topic,
  });

  const tryLater = (turn: Turn, error: unknown): void => {
    totals.failed += 1;
    const retryInMs = Math.max(1, Math.ceil(jittered(limits.retryMs, limits.maxRetryMs, turn.attempt, random)));
    turn.failed(clock.now() + retryInMs);
    if (error instanceof BrokerError) unanswered += 1;
    // One lane after another asks a broker that is down, not each by its own clock.
    const rounds = unanswered - limits.concurrency + 1;
    if (rounds > 0) pausedUntil = clock.now() + Math.max(1, Math.ceil(jittered(limits.retryMs, limits.maxRetryMs, rounds, random)));
    emitSegmentedLogEvent('failed', () => ({ ...eventOf(turn), error, attempt: turn.attempt, retryInMs }));
    logger.warn({ ...eventOf(turn), error, attempt: turn.attempt, retryInMs }, 'a logged message was not sent; trying again');
  };

  const answered = (): void => {
    if (unanswered >= limits.concurrency) lanes.wakeAll();
    unanswered = 0;
    pausedUntil = 0;
  };

  const park = async (turn: Turn, error: unknown, side: DrainSide, keeper: CursorKeeper): Promise<void> => {
    answered();
    try {
      await side.park(turn.number, turn.message, messageOf(error));
    } catch (failure) {
      return tryLater(turn, failure);
    }
    totals.parked += 1;
    emitSegmentedLogEvent('parked', () => ({ ...eventOf(turn), error }));
    logger.error({ ...eventOf(turn), error }, 'the broker refuses a logged message for good; it is parked');
    finish(turn, side, keeper);
  };

  const finish = (turn: Turn, side: DrainSide, keeper: CursorKeeper): void => {
    turn.done();
    side.progress.confirm(turn.number);
    keeper.touch();
  };

  const send = async (turn: Turn, side: DrainSide, keeper: CursorKeeper): Promise<void> => {
    inFlight += 1;
    try {
      const { messageId } = await sender.send(turn.message);
      if (over.signal.aborted) return;
      totals.sent += 1;
      answered();
      emitSegmentedLogEvent('sent', () => ({ ...eventOf(turn), messageId, attempt: turn.attempt }));
      finish(turn, side, keeper);
    } catch (error) {
      if (over.signal.aborted) return;
      if (isRefusal(error)) await park(turn, error, side, keeper);
      else tryLater(turn, error);
    } finally {
      inFlight -= 1;
      ring();
    }
  };

  /** Until something is sent, appended, due or over. */
  const rest = async (dueAt: number | undefined): Promise<void> => {
    if (isRung || over.signal.aborted) return;
    const woken = Promise.withResolvers<void>();
    const enough = new AbortController();
    wake = () => woken.resolve();
    const due = dueAt === undefined ? [] : [clock.sleep(Math.max(1, dueAt - clock.now()), enough.signal).catch(() => {})];
    await Promise.race([woken.promise, ...due]);
    enough.abort();
    wake = () => {};
  };

  const drain = async (side: DrainSide): Promise<void> => {
    const keeper = new CursorKeeper(side, limits.cursorMs, clock, (error) =>
      logger.warn({ directory, error }, 'how far the segmented log is drained was not written down; trying again'),
    );
    const filler = new LaneFiller(side, lanes, limits);
    filler.onSkipped = () => keeper.touch();
    const unsubscribe = side.onAppended(ring);
    let readableAt = 0;
    while (!over.signal.aborted) {
      isRung = false;
      let filled: 'more' | 'full' | 'empty' | 'failed' = 'failed';
      if (readableAt <= clock.now())
        filled = await filler.fill().catch((error: unknown) => {
          logger.error({ directory, error }, 'the segmented log cannot be read; trying again');
          readableAt = clock.now() + limits.maxRetryMs;
          return 'failed' as const;
        });
      const now = clock.now();
      while (pausedUntil <= now && inFlight < (unanswered < limits.concurrency ? limits.concurrency : 1)) {
        const turn = lanes.take(now);
        if (turn === undefined) break;
        void send(turn, side, keeper);
      }
      if (filled === 'more') continue;
      if (isClosing && inFlight === 0 && !isRung) break;
      await rest(pausedUntil > now ? pausedUntil : earliest(lanes.nextDueAt(), filled === 'failed' ? readableAt : undefined));
    }
    unsubscribe();
    over.abort();
    await keeper.close();
    await side.release();
  };

  const running = log.openDrainSide().then(drain, (error: unknown) => {
    logger.error({ directory, error }, 'the segmented log is not drained: it cannot be opened');
  });
  let closing: Promise<void> | undefined;
  return {
    stats: () => ({ ...totals }),
    close(deadlineMs = limits.drainMs) {
      closing ??= (async () => {
        isClosing = true;
        ring();
        if (await endsWithin(running, deadlineMs, clock)) return;
        over.abort();
        ring();
        logger.warn({ directory }, 'segmented log closed with messages left in it; the next process sends them');
        await running;
      })();
      return closing;
    },
  };
}

const earliest = (...moments: readonly (number | undefined)[]): number | undefined => {
  const known = moments.filter((moment) => moment !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};
