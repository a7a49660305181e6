import type { CheckBack, CheckedHalfMessage, Resolution } from '../transactional-producer.ts';
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

/**
 * Answers the broker's questions. The client runs any number of them at once and twice for one half, without a time
 * limit, and answers `undefined` with an END that uses up the proxy's record. Here they are bounded and single-flight,
 * and only COMMIT and ROLLBACK, in time, are ever sent; anything else means that the broker asks again.
 */
export class CheckBackAnswers {
  readonly #options: CheckBackAnswersOptions;
  readonly #flights = new Set<string>();
  readonly #waiting: (() => void)[] = [];
  readonly #closed = new AbortController();
  #running = 0;

  constructor(options: CheckBackAnswersOptions) {
    this.#options = options;
  }

  /** Never rejects: nobody listens to it. */
  async answer(command: service.RecoverOrphanedTransactionCommand, end: EndTransaction): Promise<void> {
    const brokerTransactionId = command.getTransactionId();
    const { logger } = this.#options;
    try {
      const message = command.getMessage();
      const half = checkedHalfMessage(new MessageView(message as never), message?.getSystemProperties()?.getStoreTimestamp()?.toDate());
      // Not the broker's id alone: two containers can make the same one.
      const key = `${half.topic} ${brokerTransactionId} ${half.properties[MESSAGE_PROPERTY.transactionId] ?? ''}`;
      if (this.#closed.signal.aborted || this.#flights.has(key)) return;
      this.#flights.add(key);
      try {
        const resolution = await this.#resolve(half);
        if (resolution !== 'UNKNOWN') await end(half, brokerTransactionId, resolution);
      } finally {
        this.#flights.delete(key);
      }
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      logger.warn({ brokerTransactionId, error }, 'check-back not answered; the broker will ask again');
    }
  }

  async #resolve(half: CheckedHalfMessage): Promise<Resolution> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.#options.deadlineMs)]);
    await this.#turn();
    try {
      signal.throwIfAborted();
      const resolution = await abortable(this.#options.checkBack(half, signal), signal);
      if (resolution === 'COMMIT' || resolution === 'ROLLBACK' || resolution === 'UNKNOWN') return resolution;
      throw new TypeError(`a check-back answers COMMIT, ROLLBACK or UNKNOWN, not ${String(resolution)}`);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#running >= this.#options.concurrency) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }

  /** Aborts what is being answered; nothing is answered any more. */
  close(): void {
    this.#closed.abort(new Error('the producer is closed'));
  }
}

function checkedHalfMessage(view: MessageView, storedAt: Date | undefined): CheckedHalfMessage {
  return { ...messageContent(view), round: Number(view.properties.get(CHECK_ROUND_PROPERTY)) || 1, storedAt };
}
