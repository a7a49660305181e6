import { type CallAnswer, type ExternalCall, defineExternalCall } from '../gateway/external-call.ts';
import type { Gateway } from '../gateway/gateway.ts';
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

/**
 * Asks through the gateway, so that the question has its evidence too: a call named `<call>.status` under a key of its
 * own. Only a complete answer that the status check understands counts.
 */
export const askThrough =
  (gateway: Gateway): AskInstitution =>
  async <I, R>(call: ExternalCall<I, R>, input: I, { idempotencyKey, nth, ...rest }: Question) => {
    const check = call.statusCheck;
    if (check === undefined) return undefined;
    let said: StatusAnswer<R> | undefined;
    const question = defineExternalCall<I>({
      name: `${call.name.slice(0, 93)}.status`,
      origin: call.origin,
      method: check.method ?? 'GET',
      path: (of) => check.path(of, idempotencyKey),
      ...(check.body && { body: (of: I) => check.body?.(of, idempotencyKey) }),
      ...(check.headers && { headers: (of: I) => check.headers?.(of, idempotencyKey) ?? {} }),
      timeouts: { ...call.timeouts, ...check.timeouts },
      retry: { maxAttempts: 1 },
      maxResponseBytes: call.maxResponseBytes,
      ...(call.keep && { keep: call.keep }),
      ...(call.mask && { mask: call.mask }),
      ...(call.keepHeaders && { keepHeaders: call.keepHeaders }),
      classify: (answer: CallAnswer) => {
        try {
          said = check.interpret(answer);
        } catch {
          said = undefined;
        }
        return said === undefined ? undefined : 'SUCCESS';
      },
    });
    await gateway.call(question, input, { ...rest, idempotencyKey: `${idempotencyKey}:asked:${nth}` });
    return said;
  };
