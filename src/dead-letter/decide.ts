import type { DecideResult, Decision, DeadLetterStore } from './dead-letter-store.ts';
import { emitDeadLetterEvent } from './diagnostics.ts';

/** Gives a message up for good. Idempotent in effect: a second decision is refused and changes nothing. */
export const discardDeadLetter = (store: DeadLetterStore, id: number, decision: Decision): Promise<DecideResult> =>
  decide(store, id, 'DISCARDED', decision);

/** Records that the business of a message is done without it. */
export const resolveDeadLetter = (store: DeadLetterStore, id: number, decision: Decision): Promise<DecideResult> =>
  decide(store, id, 'RESOLVED', decision);

const decide = async (store: DeadLetterStore, id: number, to: 'DISCARDED' | 'RESOLVED', decision: Decision): Promise<DecideResult> => {
  const result = await store.decide(id, to, decision);
  if (result.kind === 'decided') {
    const { topic, group, listener, messageId } = result.letter;
    const event = { id, topic, group, listener, messageId, by: decision.by, why: decision.reason };
    emitDeadLetterEvent(to === 'DISCARDED' ? 'discarded' : 'resolved', event);
  }
  return result;
};
