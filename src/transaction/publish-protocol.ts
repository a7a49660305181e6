import { inspect } from 'node:util';
import type { OutgoingMessage } from '../broker/message.ts';
import type { SentHalfMessage, TransactionalProducer } from '../broker/transactional-producer.ts';
import { LocalTransactionError, TransactionInDoubtError } from '../errors.ts';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { emitTransactionEvent } from './diagnostics.ts';
import type { HalfMessageView } from './lookup.ts';
import type { ResolvedPublisherOptions } from './publisher-options.ts';
import { CommitFailure, type FencedSession, type TransactionDatabase } from './transaction-database.ts';
import type { TransactionListener } from './transaction-listener.ts';

/** One `publish()`, ready to run: everything was checked, nothing has been sent or written. */
export interface Publication<Input> {
  readonly listener: TransactionListener<Input>;
  readonly input: Input;
  readonly message: OutgoingMessage;
  readonly view: HalfMessageView;
  readonly correlationId: string;
}

/** The local transaction took longer than it may; its session is killed, not left to finish on the server. */
class Overrun extends Error {}

type EndLater = (half: SentHalfMessage, resolution: 'COMMIT' | 'ROLLBACK') => void;

/**
 * Fence → half message → BEGIN, execute, COMMIT → END in the background. Resolves once COMMIT is certain. Rejects with
 * `DatabaseUnavailableError` or `HalfMessageError` (nothing happened), `LocalTransactionError` (rolled back for certain)
 * or `TransactionInDoubtError`.
 */
export async function runPublication<Input>(
  publication: Publication<Input>,
  deps: { producer: TransactionalProducer; database: TransactionDatabase; options: ResolvedPublisherOptions; endLater: EndLater },
): Promise<void> {
  const { listener, view } = publication;
  const event = { transactionId: view.transactionId, correlationId: publication.correlationId, listener: listener.name, topic: listener.topic };
  let half: SentHalfMessage | undefined;
  try {
    const uncertain = await deps.database.withFencedSession(view.transactionId, deps.options.connectionTimeoutMs, async (session) => {
      half = await deps.producer.sendHalf(publication.message);
      emitTransactionEvent('half-sent', event);
      return runLocalTransaction(session, publication, deps.options.transactionTimeoutMs);
    });
    // The fence is closed by now, so that the look-up does not wait for our own session.
    if (uncertain !== undefined) await settleUncertainCommit(uncertain, publication, deps);
  } catch (error) {
    if (error instanceof TransactionInDoubtError) emitTransactionEvent('in-doubt', { ...event, error });
    if (error instanceof LocalTransactionError) {
      emitTransactionEvent('rolled-back', { ...event, reason: error.reason, error: error.cause });
      if (half !== undefined) deps.endLater(half, 'ROLLBACK');
    }
    throw error;
  }
  emitTransactionEvent('committed', event);
  if (half !== undefined) deps.endLater(half, 'COMMIT');
}

/** Returns the failure of a COMMIT that may have been applied; everything else is settled here. */
async function runLocalTransaction<Input>(session: FencedSession, publication: Publication<Input>, timeoutMs: number): Promise<CommitFailure | undefined> {
  const { listener, input, view, correlationId } = publication;
  const of = `local transaction ${view.transactionId} of listener "${listener.name}"`;
  const overrun = new AbortController();
  try {
    const work = async (): Promise<unknown> => {
      const em = await session.begin(overrun.signal);
      return listener.execute(em, input, { transactionId: view.transactionId, correlationId, signal: overrun.signal });
    };
    const decision = await withDeadline(work(), timeoutMs, () => new Overrun(`it overran its ${timeoutMs} ms and was aborted`));
    if (decision === 'ROLLBACK') {
      await session.rollback();
      throw new LocalTransactionError(`${of}: the listener decided ROLLBACK`, { reason: 'declined' });
    }
    if (decision !== undefined && decision !== 'COMMIT') {
      throw new TypeError(`execute must return "COMMIT", "ROLLBACK" or nothing, got ${inspect(decision)}`);
    }
    await withDeadline(session.commit(), timeoutMs, () => new CommitFailure(new Error(`COMMIT was not answered within ${timeoutMs} ms`), true));
    return undefined;
  } catch (error) {
    if (error instanceof LocalTransactionError) throw error;
    overrun.abort(error);
    if (error instanceof CommitFailure && error.sent) {
      await session.kill();
      return error;
    }
    await (error instanceof Overrun ? session.kill() : session.rollback());
    const cause = error instanceof CommitFailure ? error.cause : error;
    throw new LocalTransactionError(`${of} was rolled back: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, reason: 'threw' });
  }
}

/** Asks the database itself, as a check-back would, until it knows or the time is over. */
async function settleUncertainCommit<Input>(
  failure: CommitFailure,
  { listener, view }: Publication<Input>,
  { database, options }: { database: TransactionDatabase; options: ResolvedPublisherOptions },
): Promise<void> {
  const over = AbortSignal.timeout(options.inDoubtTimeoutMs);
  const of = `local transaction ${view.transactionId} of listener "${listener.name}"`;
  for (let waitMs = 25; !over.aborted; waitMs = Math.min(waitMs * 2, 500)) {
    const resolution = await withDeadline(database.check(listener.lookup, view, over), options.inDoubtTimeoutMs, () => failure).catch(() => 'UNKNOWN' as const);
    if (resolution === 'COMMIT') return;
    if (resolution === 'ROLLBACK') throw new LocalTransactionError(`${of}: the database did not apply COMMIT: ${failure.message}`, { cause: failure.cause, reason: 'refused' });
    await systemClock.sleep(waitMs, over).catch(() => {});
  }
  throw new TransactionInDoubtError(
    `${of} is in doubt: COMMIT was sent, its answer was lost (${failure.message}), and the row could not be looked up within ${options.inDoubtTimeoutMs} ms; the broker will ask and deliver if it committed`,
    { cause: failure.cause, transactionId: view.transactionId },
  );
}
