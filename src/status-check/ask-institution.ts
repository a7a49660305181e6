import type { CheckbackError } from '../errors.ts';
import type { ExternalCall } from '../gateway/external-call.ts';
import type { CallOutcome, Gateway } from '../gateway/gateway.ts';
import { statusCheckCall, statusQuestionKey } from '../gateway/status-check-call.ts';
import { errorCodeOf } from './error-code.ts';
import type { ClaimedCheck } from './status-check-store.ts';

/** What came of a question. */
export type Answer =
  | { readonly said: 'SUCCESS'; readonly response: unknown; readonly httpStatus: number }
  | { readonly said: 'FAIL'; readonly response: unknown; readonly httpStatus: number }
  | { readonly said: 'ABSENT' }
  | NoAnswer
  /** We are closing: nobody is to blame. */
  | { readonly said: 'STOPPED' };

export interface NoAnswer {
  readonly said: 'NONE';
  /** Whether the institution was asked at all. */
  readonly isCounted: boolean;
  readonly errorCode: string | undefined;
  readonly retryAfterMs: number | undefined;
}

/** Nothing of ours left: the origin's circuit or limit held it back, our database did, or somebody else's attempt is under way. */
const NOT_ASKED: ReadonlySet<string | undefined> = new Set([
  'CB_CIRCUIT_OPEN',
  'CB_CALL_THROTTLED',
  'CB_AUDIT_UNAVAILABLE',
  'CB_CALL_IN_FLIGHT',
]);

/** Asks once what became of `call`, audited. Never rejects. */
export const askInstitution = async (
  gateway: Pick<Gateway, 'call'>,
  call: ExternalCall<unknown, unknown>,
  claimed: ClaimedCheck,
  input: unknown,
  signal: AbortSignal,
): Promise<Answer> => {
  const { idempotencyKey, correlationId, claim } = claimed;
  try {
    // A key for each claim: under an old one the gateway would give what is on record instead of asking.
    const ids = { idempotencyKey: statusQuestionKey(idempotencyKey, claim), correlationId, signal };
    const outcome = await gateway.call(statusCheckCall(call), { input, idempotencyKey }, ids);
    if (outcome.status !== 'SUCCESS') return notAnswered(outcome, signal);
    const { response, httpStatus } = outcome;
    return response.status === 'ABSENT' ? { said: 'ABSENT' } : { said: response.status, response: response.response, httpStatus };
  } catch (error) {
    return thrown(error, signal);
  }
};

/** What an outcome that is no end, or no answer, means. */
export const notAnswered = (
  outcome: Exclude<CallOutcome<unknown>, { status: 'SUCCESS' }>,
  signal: AbortSignal,
): Extract<Answer, { said: 'NONE' | 'STOPPED' }> => {
  if (signal.aborted) return { said: 'STOPPED' };
  const { code }: CheckbackError = outcome.error;
  const retryAfterMs = outcome.status === 'PENDING' ? outcome.retryAfterMs : undefined;
  return { said: 'NONE', isCounted: !NOT_ASKED.has(code), errorCode: code, retryAfterMs };
};

/** What it means that a call could not even be begun. */
export const thrown = (error: unknown, signal: AbortSignal): Extract<Answer, { said: 'NONE' | 'STOPPED' }> => {
  const errorCode = errorCodeOf(error);
  if (signal.aborted || errorCode === 'CB_CLOSED') return { said: 'STOPPED' };
  return { said: 'NONE', isCounted: !NOT_ASKED.has(errorCode), errorCode, retryAfterMs: undefined };
};
