import { LocalTransactionError, TransactionInDoubtError } from '../errors.ts';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { Carry } from './carry.ts';
import type { Publication } from './publish-protocol.ts';

/**
 * COMMIT was sent and its answer was lost: asks the database, as a check-back would, until it knows or the time is over.
 * Resolves if it committed. The transaction is never run again: that would commit it twice, or once after a ROLLBACK.
 */
export async function settleUncertainCommit<Input>(
  failure: Error,
  publication: Publication<Input>,
  { view, ifCommitted }: Pick<Carry, 'view' | 'ifCommitted'>,
  timeoutMs: number,
): Promise<void> {
  const { listener, transactionId, database, lookup } = publication;
  const over = AbortSignal.timeout(timeoutMs);
  const of = `local transaction ${transactionId} of listener "${listener.name}"`;
  for (let waitMs = 25; !over.aborted; waitMs = Math.min(waitMs * 2, 500)) {
    const resolution = await withDeadline(database.check(lookup, view!, over), timeoutMs, () => failure).catch(() => 'UNKNOWN' as const);
    if (resolution === 'COMMIT') return;
    if (resolution === 'ROLLBACK') {
      throw new LocalTransactionError(`${of}: the database did not apply COMMIT: ${failure.message}`, {
        cause: failure.cause,
        reason: 'refused',
      });
    }
    await systemClock.sleep(waitMs, over).catch(() => {});
  }
  throw new TransactionInDoubtError(
    `${of} is in doubt: COMMIT was sent, its answer was lost (${failure.message}), and the outcome could not be looked up within ${timeoutMs} ms; if it committed, ${ifCommitted}`,
    { cause: failure.cause, transactionId },
  );
}
