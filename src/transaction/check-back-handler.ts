import { type BulkheadPolicy, bulkhead } from 'cockatiel';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { CheckedHalfMessage, Resolution } from '../broker/transactional-producer.ts';
import type { Logger } from '../shared/logger.ts';
import { emitTransactionEvent } from './diagnostics.ts';
import { viewHalfMessage } from './half-message.ts';
import type { ListenerRegistry } from './listener-registry.ts';
import type { TransactionDatabase } from './transaction-database.ts';

interface Answer {
  readonly resolution: Resolution;
  readonly reason?: string;
}

/**
 * Answers the broker's questions. The client would run any number of them at once, without a time limit and twice for
 * one id: here they are bounded, single-flight per transaction, and end in exactly one of three answers. Whatever goes
 * wrong is UNKNOWN: the broker asks again.
 */
export class CheckBackHandler {
  readonly #owner: string;
  readonly #registry: ListenerRegistry;
  readonly #database: TransactionDatabase;
  readonly #logger: Logger;
  readonly #bulkhead: BulkheadPolicy;
  readonly #flights = new Map<string, Promise<Answer>>();

  constructor(options: { owner: string; registry: ListenerRegistry; database: TransactionDatabase; logger: Logger; concurrency: number }) {
    this.#owner = options.owner;
    this.#registry = options.registry;
    this.#database = options.database;
    this.#logger = options.logger;
    // What does not fit the queue is asked again in the next round; memory stays bounded.
    this.#bulkhead = bulkhead(options.concurrency, options.concurrency * 100);
  }

  async answer(half: CheckedHalfMessage, signal: AbortSignal): Promise<Resolution> {
    const transactionId = half.properties[MESSAGE_PROPERTY.transactionId] ?? '';
    let flight = this.#flights.get(transactionId);
    if (flight === undefined) {
      flight = this.#resolve(half, transactionId, signal).finally(() => this.#flights.delete(transactionId));
      this.#flights.set(transactionId, flight);
    }
    const { resolution, reason } = await flight;
    const event = {
      transactionId,
      correlationId: half.properties[MESSAGE_PROPERTY.correlationId] ?? '',
      listener: half.properties[MESSAGE_PROPERTY.listener] ?? '',
      topic: half.topic,
      resolution,
      round: half.round,
      ageMs: half.bornAt === undefined ? undefined : Date.now() - half.bornAt.getTime(),
      ...(reason === undefined ? {} : { reason }),
    };
    emitTransactionEvent('checked', event);
    this.#logger.info(event, `check-back answered ${resolution}`);
    return resolution;
  }

  async #resolve(half: CheckedHalfMessage, transactionId: string, signal: AbortSignal): Promise<Answer> {
    const owner = half.properties[MESSAGE_PROPERTY.owner];
    // Any producer of a topic may be asked about any service's message: only its owner knows the answer.
    if (owner !== this.#owner) return { resolution: 'UNKNOWN', reason: `owned by ${owner === undefined ? 'nobody' : `"${owner}"`}, not by "${this.#owner}"` };
    const listener = this.#registry.find(half);
    if (listener === undefined || transactionId === '') return { resolution: 'UNKNOWN', reason: 'no such listener in this version of the service' };
    try {
      const view = viewHalfMessage(half, transactionId);
      const check = this.#bulkhead.execute(() => this.#database.check(listener.lookup, view, signal));
      return { resolution: await abortable(check, signal) };
    } catch (error) {
      this.#logger.warn({ transactionId, listener: listener.name, error }, 'check-back look-up failed');
      return { resolution: 'UNKNOWN', reason: error instanceof Error ? error.message : String(error) };
    }
  }
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
