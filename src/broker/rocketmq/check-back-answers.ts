import type { CheckBack, CheckedHalfMessage } from '../transactional-producer.ts';
import { abortable } from '../../shared/abort.ts';
import type { Logger } from '../../shared/logger.ts';
import { MESSAGE_PROPERTY } from '../message.ts';
import { MessageView, type service } from './client-package.ts';
import { CHECK_ROUND_PROPERTY, messageContent } from './received-message.ts';

export interface CheckBackAnswersOptions {
  readonly checkBack: CheckBack;
  readonly logger: Logger;
  /** Longest a check-back may take: the proxy forgets the question after 30 s. */
  readonly deadlineMs: number;
  /** Most check-backs at once; more wait for their turn, within the same deadline. */
  readonly concurrency: number;
}

/** Sends the answer to the proxy that asked. */
export type EndTransaction = (half: CheckedHalfMessage, brokerTransactionId: string, resolution: 'COMMIT' | 'ROLLBACK') => Promise<void>;

/** A question of the broker. */
interface Question {
  readonly half: CheckedHalfMessage;
  readonly brokerTransactionId: string;
  readonly end: EndTransaction;
  /** On the monotonic clock, in milliseconds. */
  readonly askedAt: number;
}

/** Most questions that wait for their turn, bodies and all; the broker asks about the others again. */
const MAX_WAITING = 4_096;

/**
 * Answers the broker's questions. The client runs any number of them at once and twice for one half, without a time
 * limit, and answers `undefined` with an END that uses up the proxy's record. Here they are bounded and single-flight,
 * and only COMMIT and ROLLBACK, in time, are ever sent; anything else means that the broker asks again.
 *
 * The broker asks about every open half again in each round, whether the last question was answered or not. When there are
 * more than can be answered, a new question about a half takes the place of the one that waits, and the newest is answered
 * first: in the order of asking each answer would come when the proxy has just forgotten its question.
 */
export class CheckBackAnswers {
  readonly #options: CheckBackAnswersOptions;
  readonly #running = new Set<string>();
  readonly #waiting = new Map<string, Question>();
  /** Keys of `#waiting`, the newest last; one that was asked again is here twice, and the older is passed over. */
  #order: string[] = [];
  readonly #closed = new AbortController();

  constructor(options: CheckBackAnswersOptions) {
    this.#options = options;
  }

  /** Resolves when it is answered or waits for its turn. Never rejects: nobody listens to it. */
  async answer(command: service.RecoverOrphanedTransactionCommand, end: EndTransaction): Promise<void> {
    if (this.#closed.signal.aborted) return;
    const brokerTransactionId = command.getTransactionId();
    try {
      const message = command.getMessage();
      const half = checkedHalfMessage(new MessageView(message as never), message?.getSystemProperties()?.getStoreTimestamp()?.toDate());
      // A copy of a half keeps its message id through all rounds. Not that alone: two containers can make the same one.
      const key = `${half.topic} ${half.messageId} ${half.properties[MESSAGE_PROPERTY.transactionId] ?? brokerTransactionId}`;
      if (this.#running.has(key)) return;
      this.#enqueue(key, { half, brokerTransactionId, end, askedAt: performance.now() });
      await this.#answerNewest();
    } catch (error) {
      this.#options.logger.warn({ brokerTransactionId, error }, 'check-back not understood');
    }
  }

  #enqueue(key: string, question: Question): void {
    this.#waiting.delete(key);
    this.#waiting.set(key, question);
    this.#order.push(key);
    if (this.#waiting.size > MAX_WAITING) {
      const [oldest] = this.#waiting.keys();
      this.#waiting.delete(oldest!);
    }
    if (this.#order.length > 2 * MAX_WAITING) this.#order = [...this.#waiting.keys()];
  }

  /** If there is a turn and somebody waits; whoever is done gives the turn on. */
  async #answerNewest(): Promise<void> {
    if (this.#running.size >= this.#options.concurrency) return;
    let key: string | undefined;
    do key = this.#order.pop();
    while (key !== undefined && !this.#waiting.has(key));
    if (key === undefined) return;
    const question = this.#waiting.get(key)!;
    this.#waiting.delete(key);
    this.#running.add(key);
    await this.#answer(question);
    this.#running.delete(key);
    void this.#answerNewest();
  }

  /** Never rejects. */
  async #answer({ half, brokerTransactionId, end, askedAt }: Question): Promise<void> {
    const leftMs = this.#options.deadlineMs - (performance.now() - askedAt);
    if (leftMs <= 0)
      return this.#options.logger.debug({ brokerTransactionId }, 'check-back came to its turn too late; the broker will ask again');
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(Math.ceil(leftMs))]);
    try {
      const resolution = await abortable(this.#options.checkBack(half, signal), signal);
      if (resolution === 'COMMIT' || resolution === 'ROLLBACK') return await end(half, brokerTransactionId, resolution);
      if (resolution !== 'UNKNOWN') throw new TypeError(`a check-back answers COMMIT, ROLLBACK or UNKNOWN, not ${String(resolution)}`);
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      this.#options.logger.warn({ brokerTransactionId, error }, 'check-back not answered; the broker will ask again');
    }
  }

  /** Aborts what is being answered; nothing is answered any more. */
  close(): void {
    this.#waiting.clear();
    this.#order = [];
    this.#closed.abort(new Error('the producer is closed'));
  }
}

function checkedHalfMessage(view: MessageView, storedAt: Date | undefined): CheckedHalfMessage {
  return { ...messageContent(view), round: Number(view.properties.get(CHECK_ROUND_PROPERTY)) || 1, storedAt };
}
