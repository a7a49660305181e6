import { DEFAULT_STATUS_CHECK_TIMES, type StatusCheckTimes } from '../gateway/status-check.ts';
import type { NoAnswer } from './ask-institution.ts';
import type { CheckContext } from './check-context.ts';
import { emitStatusCheckEvent, type StatusCheckDiagnostics } from './diagnostics.ts';
import { errorCodeOf } from './error-code.ts';
import { pauseOrReview } from './pause-or-review.ts';
import type { CheckNote, OpenState } from './status-check-state.ts';
import type { ClaimedCheck } from './status-check-store.ts';

/** Writes down what came of one claimed record, with its log line and its event. */
export interface WriteDown {
  /** What names the record in events and on log lines. */
  readonly event: StatusCheckDiagnostics['repeated'];
  resolved(outcome: 'SUCCESS' | 'FAIL', through: StatusCheckDiagnostics['resolved']['through']): void;
  review(reason: StatusCheckDiagnostics['review']['reason'], note: CheckNote): Promise<void>;
  /** Another try when its time comes, or a person past the maximum age. */
  later(to: OpenState, answer: NoAnswer): Promise<void>;
  /** As `later`, for a failure of ours. */
  failed(to: OpenState, error: unknown, what: string): Promise<void>;
  /** Follows the call's own row, which somebody else has moved. */
  asRecorded(status: ClaimedCheck['callStatus']): Promise<void>;
}

export const writeDown = (
  claimed: ClaimedCheck,
  { store, logger, random }: Pick<CheckContext, 'store' | 'logger' | 'random'>,
  times: StatusCheckTimes = DEFAULT_STATUS_CHECK_TIMES,
): WriteDown => {
  const { callName, idempotencyKey, correlationId, listener, checks, unknownForMs } = claimed;
  const event = { callName, idempotencyKey, correlationId, listener, unknownForMs };

  const resolved: WriteDown['resolved'] = (outcome, through) => {
    logger.info({ ...event, outcome, through }, 'unknown outcome resolved');
    emitStatusCheckEvent('resolved', { ...event, outcome, through });
  };
  const review: WriteDown['review'] = async (reason, note) => {
    if (!(await store.move(claimed, { to: 'REVIEW', note }))) return;
    logger.error({ ...event, reason, errorCode: note.errorCode }, 'outcome still unknown: a person has to decide');
    emitStatusCheckEvent('review', { ...event, reason });
  };
  const later: WriteDown['later'] = async (to, { said, isCounted, errorCode, retryAfterMs }) => {
    const note = { isCounted, errorCode, said: isCounted ? said : undefined };
    const isInProgress = errorCode === 'CB_CALL_IN_FLIGHT';
    const next = pauseOrReview({ checks, unknownForMs, isCounted, retryAfterMs, isInProgress }, times, random);
    if (next.kind === 'review') return review('too-old', note);
    if (await store.move(claimed, { to, afterMs: next.afterMs, note }))
      logger.info({ ...event, state: to, errorCode, afterMs: next.afterMs }, 'no end yet: trying again later');
  };
  const failed: WriteDown['failed'] = (to, error, what) => {
    logger.error({ ...event, error }, what);
    return later(to, { said: 'NONE', isCounted: true, errorCode: errorCodeOf(error), retryAfterMs: undefined });
  };
  const asRecorded: WriteDown['asRecorded'] = async (status) => {
    if (status === undefined) return review('no-call', { isCounted: false });
    if (status === 'PENDING' || status === 'UNKNOWN') {
      const answer = { said: 'NONE', isCounted: false, errorCode: undefined, retryAfterMs: undefined } as const;
      return later(status === 'PENDING' ? 'RETRY' : 'DUE', answer);
    }
    if (await store.move(claimed, { to: 'DONE', outcome: status })) resolved(status, 'elsewhere');
  };
  return { event, resolved, review, later, failed, asRecorded };
};
