import type { OutgoingMessage } from '../broker/message.ts';
import { LocalTransactionError, CheckbackError, TransactionInDoubtError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import { messageOf } from '../shared/error-message.ts';
import { emitTransactionEvent } from './diagnostics.ts';
import { settleUncertainCommit } from './in-doubt.ts';
import { nameOf } from './local-transaction.ts';
import type { HalfMessageView, Lookup } from './lookup.ts';
import type { Carry } from './carry.ts';
import type { ResolvedPublisherOptions } from './publisher-options.ts';
import type { Fence, FencedSession, TransactionDatabase } from './transaction-database.ts';
import type { TransactionListener } from './transaction-listener.ts';

/** One `publish()`, ready to run: everything that can be was checked, nothing has been sent or written. */
export interface Publication<Input> {
  readonly listener: TransactionListener<Input>;
  readonly input: Input;
  readonly transactionId: string;
  readonly correlationId: string;
  readonly database: TransactionDatabase;
  /** Finds out whether it committed; the fence makes its answer exact. */
  readonly lookup: Lookup;
  readonly fence: Fence;
  /** Makes the messages; throws for bad content. Called when all they may carry is there; without a half again after a deadlock. */
  messages(produced: unknown): readonly { readonly message: OutgoingMessage; readonly view: HalfMessageView }[];
}

/** COMMIT was sent and its answer is missing. */
class UncertainCommit extends Error {}

/**
 * Fence, local transaction and what carries the messages; COMMIT when all of them stand. Resolves once COMMIT is certain
 * and its messages are on their way. Rejects with `DatabaseUnavailableError` or `HalfMessageError` (nothing happened),
 * `LocalTransactionError` (rolled back for certain), `TransactionInDoubtError` or `MessageNotKeptError`.
 */
export async function runPublication<Input>(
  publication: Publication<Input>,
  carry: Carry,
  options: ResolvedPublisherOptions,
): Promise<void> {
  const { listener, transactionId, correlationId, database, fence } = publication;
  const event = { transactionId, correlationId, listener: listener.name, topic: listener.messages[0]!.topic };
  try {
    try {
      await database.withFencedSession(transactionId, fence, options.connectionTimeoutMs, (session) =>
        decide(session, publication, carry, options),
      );
    } catch (error) {
      if (!(error instanceof UncertainCommit)) throw error;
      // The fence is being closed, so the look-up does not wait for our own session for long.
      await settleUncertainCommit(error, publication, carry, options.inDoubtTimeoutMs);
    }
  } catch (error) {
    if (error instanceof TransactionInDoubtError) {
      emitTransactionEvent('in-doubt', { ...event, error });
      throw error;
    }
    // Whatever it was, COMMIT was not sent or is known not to have been applied.
    const reason = error instanceof LocalTransactionError ? error.reason : 'threw';
    if (carry.hasLeft || error instanceof LocalTransactionError) emitTransactionEvent('rolled-back', { ...event, reason, error });
    carry.rolledBack();
    throw error;
  }
  emitTransactionEvent('committed', event);
  await carry.committed();
}

async function decide<Input>(
  session: FencedSession,
  publication: Publication<Input>,
  carry: Carry,
  { transactionTimeoutMs }: ResolvedPublisherOptions,
): Promise<void> {
  await carry.open();
  try {
    await carry.stand(session);
  } catch (error) {
    await session.rollback();
    if (error instanceof CheckbackError) throw error;
    // A session that died under the question: COMMIT had not been sent, so it is rolled back for certain.
    throw new LocalTransactionError(`${nameOf(publication)} was rolled back: ${messageOf(error)}`, { cause: error, reason: 'threw' });
  }
  try {
    await withDeadline(
      session.commit(),
      transactionTimeoutMs,
      () => new Error(`COMMIT was not answered within ${transactionTimeoutMs} ms`),
    );
  } catch (error) {
    await session.kill();
    throw new UncertainCommit((error as Error).message, { cause: error });
  }
}
