import type { ReceivedMessage } from '../broker/message.ts';
import { ClosedError, InvalidMessageError } from '../errors.ts';
import type { CallPause } from './call-pause.ts';
import { decodeMessage } from './decode-message.ts';
import { dispositionOfError } from './disposition.ts';
import type { DispositionContext } from './disposition.ts';
import type { EndTurn, KeyTurns } from './key-turns.ts';
import type { AnyListener, AnyMessageListener, HandlingListener, ListenerMessage } from './message-listener.ts';
import type { ProcessedMessageStore } from './processed-message-store.ts';
import { fullJitter } from './retry-options.ts';
import type { Settlement } from './settle-delivery.ts';
import { workCall } from './work-call.ts';
import type { CallTools } from './work-call.ts';

/** What is to become of a delivery, and why. */
export interface Verdict {
  readonly settlement: Settlement;
  readonly error: unknown;
}

export interface WorkTools extends CallTools {
  readonly listener: AnyListener;
  readonly processed: ProcessedMessageStore | undefined;
  readonly turns: KeyTurns;
  readonly pause: CallPause;
  readonly random: () => number;
  /** Aborts as soon as the worker closes: whoever only waits waits no longer. */
  readonly closing: AbortSignal;
}

const ACK: Verdict = { settlement: { kind: 'ack' }, error: undefined };
const HAND_BACK: Settlement = { kind: 'handBack' };

/** Decodes a message, does with it what its listener says, and judges. Whatever is thrown becomes a verdict on this message. */
export const workMessage = async (message: ReceivedMessage, tools: WorkTools, signal: AbortSignal): Promise<Verdict> => {
  const { listener, random } = tools;
  if (listener.tag !== undefined && message.tag !== listener.tag) return ACK;
  const decision: DispositionContext = { deliveryAttempt: message.deliveryAttempt, retry: listener.retry, random };
  try {
    const decoded = await decodeMessage(message, listener.payload);
    const verdict = await inTurn(decoded, tools, signal, () => work(message, decoded, tools, decision, signal));
    return handedBackIfClosing(verdict ?? tooManyWait(decision), signal);
  } catch (error) {
    if (tools.closing.aborted && error === tools.closing.reason) return { settlement: HAND_BACK, error };
    return handedBackIfClosing({ settlement: dispositionOfError(error, decision), error }, signal);
  }
};

const work = async (
  message: ReceivedMessage,
  decoded: ListenerMessage<unknown>,
  tools: WorkTools,
  decision: DispositionContext,
  signal: AbortSignal,
): Promise<Verdict> => {
  const { listener, processed } = tools;
  if (listener.call !== undefined) {
    return workCall({ listener, message, decoded, idempotencyKey: keyOf(listener, decoded), decision }, tools, signal);
  }
  if (listener.handle !== undefined)
    await processed!.once(listener.name, keyOf(listener, decoded), (em) => listener.handle(em, decoded, { signal }));
  else await listener.process(decoded, { signal });
  return ACK;
};

const keyOf = ({ name, idempotencyKey }: AnyMessageListener | HandlingListener<unknown>, decoded: ListenerMessage<unknown>): string => {
  const key: unknown = idempotencyKey(decoded);
  if (typeof key !== 'string' || key === '') {
    throw new InvalidMessageError(`message listener ${name} has no idempotency key for message ${decoded.messageId}`);
  }
  if (key.length > MAX_KEY_LENGTH) {
    throw new InvalidMessageError(
      `message listener ${name}: an idempotency key of ${key.length} characters is over the limit of ${MAX_KEY_LENGTH}`,
    );
  }
  return key;
};

/** What the engine's tables hold. */
const MAX_KEY_LENGTH = 128;

/** `undefined` when too many messages wait for their turn. */
const inTurn = async <T>(
  decoded: ListenerMessage<unknown>,
  { listener, turns, closing }: WorkTools,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> => {
  if (listener.serialiseBy === undefined) return work();
  const key: unknown = listener.serialiseBy(decoded);
  if (typeof key !== 'string') throw new InvalidMessageError(`message listener ${listener.name}: serialiseBy gave no string`);
  const endTurn: EndTurn | undefined = await turns.take(key, AbortSignal.any([closing, signal]));
  if (endTurn === undefined) return undefined;
  try {
    return await work();
  } finally {
    endTurn();
  }
};

const tooManyWait = ({ retry, random }: DispositionContext): Verdict => ({
  settlement: { kind: 'retry', afterMs: fullJitter(1, retry, random), reason: 'too many messages wait for others of their key' },
  error: undefined,
});

/** A failure under a closing worker is the worker's, not the message's: no backoff, no dead letter. Poison stays poison. */
const handedBackIfClosing = (verdict: Verdict, signal: AbortSignal): Verdict =>
  verdict.settlement.kind !== 'ack' && signal.reason instanceof ClosedError && !(verdict.error instanceof InvalidMessageError)
    ? { ...verdict, settlement: HAND_BACK }
    : verdict;
