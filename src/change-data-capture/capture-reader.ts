import type { OutgoingMessage } from '../broker/message.ts';
import { CaptureStoppedError } from '../errors.ts';
import { jittered } from '../outbox/jitter.ts';
import { endsWithin } from '../shared/deadline.ts';
import type { CaptureLimits } from './capture-options.ts';
import { type CaptureState, moved } from './capture-state.ts';
import type { ChangeLog, OpenLog } from './change-log.ts';
import { emitCaptureEvent } from './diagnostics.ts';
import { type MessageParts, messagesOfChange, type ReadableRowMessage } from './messages-of-change.ts';
import type { PositionStore, Turn } from './position-store.ts';
import type { CommittedTransaction, StoredPosition } from './row-change.ts';
import { type SendContext, type SendCounts, sendTransactions } from './send-transactions.ts';

export interface CaptureReaderOptions extends Omit<SendContext, 'counts' | 'limits'> {
  /** Who reads, for people who look at the position's row. */
  readonly reader: string;
  readonly log: ChangeLog;
  readonly positions: PositionStore;
  readonly openTurn: () => Promise<Turn>;
  readonly readables: readonly ReadableRowMessage[];
  readonly parts: MessageParts;
  readonly limits: CaptureLimits;
}

/** What a reader of this process has done since it was started, and what it is at. */
export interface CaptureStats extends Readonly<SendCounts> {
  readonly state: CaptureState;
  /** Transactions with rows that are messages. */
  readonly transactions: number;
  /** Everything before is sent, and that is written down. */
  readonly position: StoredPosition | undefined;
  /** How long before it was sent the last message had been committed, by the database's clock in whole seconds. */
  readonly lagMs: number;
}

export interface CaptureReader {
  stats(): CaptureStats;
  /**
   * Reads and sends nothing more from this moment, lets sends in progress end and writes the position down, for `deadlineMs`
   * (default `drainMs`). What is not written down by then is sent again by whoever reads next. Idempotent; never rejects.
   */
  close(deadlineMs?: number): Promise<void>;
}

/**
 * Starts reading, or standing by for it, at once. At least once: a reader that dies between a send and the position's
 * write leaves messages that are sent again. The position must be there.
 */
export function startCaptureReader(options: CaptureReaderOptions): CaptureReader {
  const { name, reader, log, positions, openTurn, readables, parts, limits, clock, random, logger } = options;
  const counts: SendCounts = { sent: 0, failed: 0, parked: 0 };
  const sending: SendContext = { ...options, counts };
  const stop = new AbortController();
  const { signal } = stop;
  let state: CaptureState = { kind: 'NEW' };
  let position: StoredPosition | undefined;
  let transactions = 0;
  let lagMs = 0;
  let troubled = 0;
  const become = (to: CaptureState): void => {
    state = moved(state, to);
  };
  const pause = (ms: number): Promise<void> => clock.sleep(Math.max(1, Math.ceil(ms)), signal).catch(() => {});

  const waitForTurn = async (turn: Turn): Promise<void> => {
    let isTold = false;
    while (!signal.aborted && !(await turn.take())) {
      if (!isTold) emitCaptureEvent('standby', { name });
      isTold = true;
      await pause(limits.standbyMs * (0.5 + random() / 2));
    }
  };

  /** Whether it is still this reader's to move. Tried again while the database does not answer, at least once. */
  const save = async (fence: number, to: StoredPosition): Promise<boolean> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (!(await positions.save(name, fence, to))) {
          logger.warn({ name }, 'another reader has taken over; what was sent last is sent again by it');
          return false;
        }
        position = to;
        emitCaptureEvent('position', { name, file: to.file, position: to.position, gtidSet: to.gtidSet });
        return true;
      } catch (error) {
        if (signal.aborted) {
          logger.warn({ name, error }, 'the position was not written down; what was sent last is sent again');
          return false;
        }
        logger.warn({ name, error }, 'the position was not written down; trying again');
        await pause(jittered(limits.retryMs, limits.maxRetryMs, attempt, random));
      }
    }
  };

  /** Until it is not this one's turn any more, or the end. */
  const read = async (): Promise<void> => {
    const claimed = await positions.claim(name, reader);
    ({ position } = claimed);
    const resumed = await log.resume(position);
    const open: OpenLog = await log.open(resumed, signal);
    try {
      become({ kind: 'READING' });
      emitCaptureEvent('reading', { name, file: position.file, position: position.position, connectionId: open.connectionId });
      logger.info({ name, file: position.file, position: position.position, by: resumed.by }, 'reading the binlog');
      let savedAt = clock.now();
      for await (const batch of open.batches()) {
        const { messages, failure } = build(batch);
        const done = await sendTransactions(messages, sending, signal);
        troubled = 0;
        const wanted = messages.slice(0, done).filter(({ length }) => length > 0).length;
        const last = batch[done - 1];
        if (last !== undefined) {
          transactions += wanted;
          if (wanted > 0) {
            lagMs = Math.max(0, clock.now() - last.committedAt);
            emitCaptureEvent('lag', { name, lagMs });
          }
          const isDue = clock.now() - savedAt >= limits.savePositionMs && !batch.every(({ isBookkeeping }) => isBookkeeping);
          if (wanted > 0 || isDue || last.end.file !== position?.file) {
            if (!(await save(claimed.fence, { ...last.end, server: resumed.server }))) return;
            savedAt = clock.now();
          }
        }
        if (failure !== undefined && !signal.aborted) throw failure;
        if (signal.aborted) return;
      }
    } finally {
      await open.close();
    }
  };

  /** What comes before a transaction that cannot be read is sent nevertheless. */
  const build = (batch: readonly CommittedTransaction[]): { messages: readonly (readonly OutgoingMessage[])[]; failure?: unknown } => {
    const messages: (readonly OutgoingMessage[])[] = [];
    for (const { changes } of batch) {
      try {
        messages.push(changes.flatMap((change) => messagesOfChange(change, readables, parts)));
      } catch (failure) {
        return { messages, failure };
      }
    }
    return { messages };
  };

  const oneTurn = async (): Promise<void> => {
    const turn = await openTurn();
    try {
      await waitForTurn(turn);
      if (!signal.aborted) await read();
    } finally {
      await turn.release();
    }
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      if (state.kind !== 'STANDBY') become({ kind: 'STANDBY' });
      try {
        await oneTurn();
        // Somebody else has taken it: no race for it.
        await pause(limits.standbyMs);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof CaptureStoppedError) {
          become({ kind: 'STOPPED', reason: error.reason });
          emitCaptureEvent('stopped', { name, reason: error.reason, error });
          logger.error({ name, reason: error.reason, error }, 'change data capture stopped; nothing is sent until somebody has acted');
          return;
        }
        troubled += 1;
        become({ kind: 'TROUBLED' });
        const retryInMs = Math.max(1, Math.ceil(jittered(limits.retryMs, limits.maxRetryMs, troubled, random)));
        emitCaptureEvent('trouble', { name, error, retryInMs });
        logger.warn({ name, error, retryInMs }, 'the binlog is not read; trying again');
        await pause(retryInMs);
      }
    }
  };

  const running = run();
  let closing: Promise<void> | undefined;
  return {
    stats: () => ({ ...counts, state, transactions, position, lagMs }),
    close(deadlineMs = limits.drainMs) {
      closing ??= (async () => {
        stop.abort(new Error('the reader is closed'));
        if (!(await endsWithin(running, deadlineMs, clock)))
          logger.warn({ name }, 'reader of the binlog closed with sends in progress; they are sent again by whoever reads next');
        become({ kind: 'CLOSED' });
      })();
      return closing;
    },
  };
}
