import { MESSAGE_PROPERTY } from '../../broker/message.ts';
import type { AskInstitution } from '../../dead-letter/call-inquiry.ts';
import type { CallStatus } from '../../gateway/call-status.ts';
import type { CheckContext } from '../../status-check/check-context.ts';
import { checkOnce } from '../../status-check/check-once.ts';
import { applyOutcome } from '../../worker/apply-outcome.ts';
import { decodeMessage } from '../../worker/decode-message.ts';
import type { AnyMessageListener } from '../../worker/message-listener.ts';
import type { EndTransactions } from '../../worker/end-transactions.ts';

/** Longer than any one question takes. */
const LEASE_MS = 60_000;
/** A question that is due some day is asked today. */
const EARLY_MS = 3_650 * 86_400_000;
/** The first may only find that a worker died in the middle of its call; the second asks. */
const MAX_QUESTIONS = 2;

/**
 * Asks as the status checker does, with its record and its rules, at once instead of when it is due. The record is made
 * when there is none; one that somebody else works on, or that is before a person, is left alone and the answer UNKNOWN.
 */
export const askNow = (
  options: Pick<CheckContext, 'store' | 'calls' | 'gateway' | 'logger'> & {
    readonly listeners: readonly AnyMessageListener[];
    readonly inTransaction?: EndTransactions | undefined;
  },
): AskInstitution => {
  const listeners = new Map(options.listeners.map((listener) => [listener.name, listener]));
  const { inTransaction } = options;
  const worker = { applyOutcome, decodeMessage, ...(inTransaction && { inTransaction }) };
  const context: CheckContext = { ...options, listeners, worker, random: Math.random };
  const { store } = options;
  return async (listener, message, idempotencyKey) => {
    const key = { callName: listener.call.name, idempotencyKey };
    const correlationId = (message.properties[MESSAGE_PROPERTY.correlationId] ?? message.messageId).slice(0, 128);
    await store.schedule({ ...key, listener: listener.name, correlationId, message, errorCode: undefined, afterMs: 0 });
    for (let question = 1; ; question += 1) {
      const claimed = await store.claimOne(key, { leaseMs: LEASE_MS, earlyMs: EARLY_MS });
      if (claimed !== undefined) await checkOnce(claimed, context, new AbortController().signal);
      const status = await store.callStatus(key);
      if (claimed === undefined || claimed.callStatus !== 'PENDING' || status !== 'UNKNOWN' || question === MAX_QUESTIONS)
        return ANSWER[status ?? 'UNKNOWN'];
    }
  };
};

/** PENDING after a question: it never arrived, and the key may be sent again. */
const ANSWER = { SUCCESS: 'SUCCESS', FAIL: 'FAIL', PENDING: 'ABSENT', UNKNOWN: 'UNKNOWN' } as const satisfies Record<CallStatus, string>;
