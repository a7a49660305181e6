import type { ReceivedMessage } from '../broker/message.ts';
import type { CallStatus } from '../gateway/call-status.ts';
import { messageOf } from '../shared/error-message.ts';
import type { AnyMessageListener } from '../worker/message-listener.ts';
import type { CallOf } from './call-of-message.ts';

/** What our own row says of a call. */
export interface CallOnRecord {
  readonly status: CallStatus;
  /** PENDING only: `running` under a lease, `abandoned` when its lease ended without an answer, `idle` between attempts. */
  readonly attempt: 'running' | 'abandoned' | 'idle';
}

export type FindCall = (callName: string, idempotencyKey: string) => Promise<CallOnRecord | undefined>;

/**
 * What an institution answered about a message's call, and what our row says since: SUCCESS and FAIL are recorded, with
 * the listener's `onSuccess` or `onFail` in the same transaction; ABSENT moved the row to where the key may be sent again;
 * UNKNOWN changed nothing.
 */
export type InstitutionAnswer = 'SUCCESS' | 'FAIL' | 'ABSENT' | 'UNKNOWN';

/**
 * Asks the institution "did this order arrive?" and records what it says. An order that is absent becomes FAIL, with its
 * compensation, where the call's status check says `whenAbsent: 'fail'`; then the answer is FAIL.
 */
export type AskInstitution = (listener: AnyMessageListener, message: ReceivedMessage, idempotencyKey: string) => Promise<InstitutionAnswer>;

export interface CallInquiryOptions {
  readonly callOf: CallOf;
  readonly findCall: FindCall;
  /** Default: nobody can ask, so what is UNKNOWN stays it. */
  readonly askInstitution?: AskInstitution | undefined;
}

/** Whether a message may be sent again, as far as its call is concerned. */
export type InquiryVerdict =
  | { readonly kind: 'replay' }
  /** The business is done: the letter is to be resolved. `asked` says that the institution told just now. */
  | { readonly kind: 'done'; readonly status: 'SUCCESS' | 'FAIL'; readonly asked: boolean; readonly fact: string }
  | { readonly kind: 'refuse'; readonly fact: string };

export type InquireCall = (message: ReceivedMessage, group: string, topic: string) => Promise<InquiryVerdict>;

/**
 * Asks our row, and the institution when the row does not know. A message nobody knows the call of may be replayed: its
 * listener will refuse or work it under its own key.
 */
export const inquireCall =
  ({ callOf, findCall, askInstitution }: CallInquiryOptions): InquireCall =>
  async (message, group, topic) => {
    const known = await callOf(message, group, topic);
    // A listener without a call keeps its own effect to one a key, in our own database.
    if (known?.listener.call === undefined) return { kind: 'replay' };
    const { listener, idempotencyKey } = known;
    const row = await findCall(listener.call.name, idempotencyKey);
    if (row === undefined) return { kind: 'replay' };
    const on = `call "${listener.call.name}" of key "${idempotencyKey}"`;
    switch (row.status) {
      case 'SUCCESS':
      case 'FAIL':
        return { kind: 'done', status: row.status, asked: false, fact: `${on} is on record as ${row.status}` };
      case 'PENDING':
        if (row.attempt === 'idle') return { kind: 'replay' };
        if (row.attempt === 'running') return { kind: 'refuse', fact: `${on} is being attempted right now` };
        return ask({ listener, idempotencyKey }, message, `${on} was abandoned by its worker`, askInstitution);
      case 'UNKNOWN':
        return ask({ listener, idempotencyKey }, message, `${on} has an unknown outcome`, askInstitution);
    }
  };

const ask = async (
  { listener, idempotencyKey }: { readonly listener: AnyMessageListener; readonly idempotencyKey: string },
  message: ReceivedMessage,
  standing: string,
  askInstitution: AskInstitution | undefined,
): Promise<InquiryVerdict> => {
  const institution = `"${listener.call.origin}"`;
  if (askInstitution === undefined || listener.call.statusCheck === undefined)
    return { kind: 'refuse', fact: `${standing}, and its definition has no status check to ask ${institution} with` };
  try {
    const answer = await askInstitution(listener, message, idempotencyKey);
    if (answer === 'ABSENT') return { kind: 'replay' };
    if (answer === 'UNKNOWN') return { kind: 'refuse', fact: `${standing}, and ${institution} could not say what became of it` };
    return { kind: 'done', status: answer, asked: true, fact: `${standing}; ${institution} was asked, and it is ${answer} now` };
  } catch (error) {
    return { kind: 'refuse', fact: `${standing}, and ${institution} could not be asked: ${messageOf(error)}` };
  }
};
