import type { ExternalCall } from '../gateway/external-call.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { statusCheckCall } from '../gateway/status-check-call.ts';
import type { StatusAnswer } from '../gateway/status-check.ts';

/** What an institution is asked about. */
export interface Question {
  readonly idempotencyKey: string;
  readonly correlationId: string;
  /** Another one for each question about the same call: an answer on record would be an old one. */
  readonly nth: number;
  readonly signal: AbortSignal;
}

/** `undefined` when it did not say: ask again later. Rejects as `Gateway.call` does, and says nothing then either. */
export type AskInstitution = <I, R>(call: ExternalCall<I, R>, input: I, question: Question) => Promise<StatusAnswer<R> | undefined>;

/** Asks through the gateway, with the call's own question, so that it has its evidence too, under a key of its own. */
export const askThrough =
  (gateway: Gateway): AskInstitution =>
  async <I, R>(call: ExternalCall<I, R>, input: I, { idempotencyKey, nth, ...rest }: Question) => {
    if (call.statusCheck === undefined) return undefined;
    const ids = { ...rest, idempotencyKey: `${idempotencyKey}:asked:${nth}` };
    const outcome = await gateway.call(statusCheckCall(call), { input, idempotencyKey }, ids);
    return outcome.status === 'SUCCESS' ? outcome.response : undefined;
  };
