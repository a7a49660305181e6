import type { ReceivedMessage } from '../broker/message.ts';
import { CheckbackError, ConfigurationError } from '../errors.ts';
import { messageOf } from '../shared/error-message.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import type { InquireCall } from './call-inquiry.ts';
import { type DeadLetter, isTopicUnknown } from './dead-letter.ts';
import { canTransition } from './dead-letter-state.ts';
import type { DeadLetterStore } from './dead-letter-store.ts';
import { resolveDeadLetter } from './decide.ts';
import { emitDeadLetterEvent } from './diagnostics.ts';
import { replayMessage } from './replay-message.ts';
import type { ReplaySender } from './replay-sender.ts';

export interface ReplayOptions {
  readonly store: DeadLetterStore;
  readonly sender: ReplaySender;
  /** Asks what became of the call first. Default: nobody is asked. */
  readonly inquire?: InquireCall | undefined;
  /** Replays whatever `inquire` would say. Default false. */
  readonly force?: boolean | undefined;
  /** Where to, for a letter whose own topic is not known. Default: its own. */
  readonly topic?: string | undefined;
  readonly by: string;
  readonly reason?: string | undefined;
  /** How long a replay may take before it counts as dead and another goes on. Default 180,000. */
  readonly leaseMs?: number | undefined;
  readonly logger?: Logger | undefined;
}

export type ReplayResult =
  | { readonly kind: 'replayed'; readonly topic: string }
  /** Nothing was sent: the institution has the order, or our row says so since; the letter is RESOLVED. */
  | { readonly kind: 'resolved'; readonly fact: string }
  /** Nothing was sent, and the letter is as it was. */
  | { readonly kind: 'refused'; readonly fact: string }
  /** Sending failed and the letter is OPEN again; with `acted: 'maybe'` the message may be delivered nevertheless. */
  | { readonly kind: 'failed'; readonly acted: 'no' | 'maybe'; readonly error: unknown };

/** Long enough for a half, its COMMIT and the wait for a check-back. */
export const DEFAULT_REPLAY_LEASE_MS = 180_000;

/**
 * Sends one dead message to its topic again. REPLAYING is committed before the send, so that of two replays one sends; a
 * process that dies in between leaves REPLAYING, and the next replay sends again once the lease has ended, which the
 * unchanged idempotency key makes harmless. Every group of the topic is given the message again. Rejects only when the
 * store does.
 */
export const replayDeadLetter = async (id: number, options: ReplayOptions): Promise<ReplayResult> => {
  const { store, sender, inquire, force = false, by, leaseMs = DEFAULT_REPLAY_LEASE_MS, logger = silentLogger } = options;
  const letter = await store.find(id);
  if (letter === undefined) return refuse(`there is no dead letter ${id}`);
  const target = targetOf(letter, options.topic);
  if ('fact' in target) return { kind: 'refused', ...target };
  const { topic } = target;

  if (inquire !== undefined && !force) {
    const verdict = await inquire(await deliveredAs(letter, store), letter.group, topic);
    if (verdict.kind === 'refuse') return refuse(`${verdict.fact}; --force replays it nevertheless`);
    if (verdict.kind === 'done') return done(store, id, verdict, by);
  }

  const claim = await store.claimReplay(
    id,
    { by, reason: force ? `forced${options.reason ? `: ${options.reason}` : ''}` : options.reason },
    leaseMs,
  );
  if (claim.kind === 'missing') return refuse(`there is no dead letter ${id}`);
  if (claim.kind === 'refused') return refuse(`it is ${claim.state}`);
  if (claim.kind === 'in-flight') return refuse(inFlight(claim.leaseMs));
  try {
    await sender.send(replayMessage(claim.letter, claim.body, topic));
  } catch (error) {
    await store.endReplay(id, claim.fence, 'OPEN', { by, reason: messageOf(error) });
    return { kind: 'failed', acted: error instanceof ConfigurationError || isNotActed(error) ? 'no' : 'maybe', error };
  }
  // Whoever has taken over meanwhile, or the message's next death, has said what it is now.
  if (!(await store.endReplay(id, claim.fence, 'REPLAYED', { by, reason: options.reason })))
    logger.warn({ id, topic }, 'replayed, and its letter was claimed or dead again by then');
  const { group, listener, messageId } = letter;
  emitDeadLetterEvent('replayed', { id, topic: letter.topic, group, listener, messageId, by, to: topic });
  return { kind: 'replayed', topic };
};

/** What a replay would do now. Changes nothing as long as `inquire` does not. */
export const previewReplay = async (
  id: number,
  { store, inquire, force = false, topic }: Pick<ReplayOptions, 'store' | 'inquire' | 'force' | 'topic'>,
): Promise<{ readonly topic: string } | { readonly fact: string }> => {
  const letter = await store.find(id);
  if (letter === undefined) return { fact: `there is no dead letter ${id}` };
  const target = targetOf(letter, topic);
  if ('fact' in target || inquire === undefined || force) return target;
  const verdict = await inquire(await deliveredAs(letter, store), letter.group, target.topic);
  return verdict.kind === 'replay' ? target : { fact: verdict.fact };
};

const refuse = (fact: string): ReplayResult => ({ kind: 'refused', fact });
const inFlight = (leaseMs: number): string => `another replay has claimed it; its lease ends in ${Math.ceil(leaseMs / 1000)} s`;

const targetOf = (letter: DeadLetter, topic: string | undefined): { readonly topic: string } | { readonly fact: string } => {
  const { state } = letter.standing;
  if (!canTransition(state, 'REPLAYING')) return { fact: `it is ${state}` };
  if (letter.standing.state === 'REPLAYING' && letter.standing.leaseMs > 0) return { fact: inFlight(letter.standing.leaseMs) };
  if (topic !== undefined && topic !== letter.topic && !isTopicUnknown(letter))
    return { fact: `it came from topic "${letter.topic}", not from "${topic}"` };
  if (topic === undefined && isTopicUnknown(letter))
    return { fact: `the broker's dead-letter queue "${letter.topic}" does not say which topic it came from: name it with --to` };
  return { topic: topic ?? letter.topic };
};

const done = async (
  store: DeadLetterStore,
  id: number,
  { fact, asked }: { readonly fact: string; readonly asked: boolean },
  by: string,
): Promise<ReplayResult> => {
  // What was on record before is for a person to see; what the institution told just now is news, and it is written down.
  if (!asked) return refuse(`${fact}: resolve it instead, or --force`);
  const decided = await resolveDeadLetter(store, id, { by, reason: fact });
  return decided.kind === 'decided' ? { kind: 'resolved', fact } : refuse(`${fact}, and it could not be resolved: ${decided.kind}`);
};

const isNotActed = (error: unknown): boolean => error instanceof CheckbackError && error.acted === 'no' && !error.retryable;

/** The letter as its listener was given it. */
const deliveredAs = async (letter: DeadLetter, store: DeadLetterStore): Promise<ReceivedMessage> => ({
  topic: letter.topic,
  tag: letter.tag,
  keys: letter.keys,
  properties: letter.properties,
  body: (await store.body(letter.id)) ?? new Uint8Array(),
  messageId: letter.messageId,
  deliveryAttempt: letter.deliveryAttempts,
  bornAt: letter.bornAt,
});
