import { v7 as uuidV7 } from 'uuid';
import type { OutgoingMessage } from '../broker/message.ts';
import type { SentHalfMessage, TransactionalProducer } from '../broker/transactional-producer.ts';
import { CheckbackError, ClosedError, ConfigurationError, ForeignTransactionError, InvalidMessageError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { TraceCarrier } from '../shared/operation-channels.ts';
import { acceptInput } from './accept-input.ts';
import type { Carry } from './carry.ts';
import { CarryByHalf } from './carry-by-half.ts';
import { CarryByLog } from './carry-by-log.ts';
import { CarryByOutbox } from './carry-by-outbox.ts';
import { type CheckBackAnswer, CheckBackHandler } from './check-back-handler.ts';
import { emitTransactionEvent, runTransactionOperation } from './diagnostics.ts';
import { ForeignChecks } from './foreign-checks.ts';
import { encodeHalfMessage, viewHalfMessage } from './half-message.ts';
import { ListenerRegistry } from './listener-registry.ts';
import { type Publication, runPublication } from './publish-protocol.ts';
import { type ResolvedPublisherOptions, type TransactionalPublisherOptions, resolvePublisherOptions } from './publisher-options.ts';
import { fenceOf } from './transaction-database.ts';
import { type StartedCarrier, proofOf, requireCompensation } from './started-carrier.ts';
import { TransactionDatabases } from './transaction-databases.ts';
import type { TransactionListener } from './transaction-listener.ts';

/** What a resolved `publish()` tells: the rows are committed and the message will be delivered at least once. */
export interface PublishReceipt {
  readonly transactionId: string;
  readonly correlationId: string;
}

export interface PublishOptions {
  /** Follows the order through all processes and their logs. Default: the transaction id. */
  readonly correlationId?: string;
  /** W3C trace context of the caller; travels with the messages. */
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/**
 * Changes rows and publishes messages as one decision. Safe for concurrent use; one per process and service is enough.
 * Each `publish()` holds one database connection while it runs.
 */
export class TransactionalPublisher {
  readonly #options: ResolvedPublisherOptions;
  readonly #registry: ListenerRegistry;
  readonly #databases: TransactionDatabases;
  readonly #carrier: StartedCarrier;
  readonly #checkBacks: CheckBackHandler;
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(
    options: ResolvedPublisherOptions,
    registry: ListenerRegistry,
    databases: TransactionDatabases,
    carrier: StartedCarrier,
    checkBacks: CheckBackHandler,
  ) {
    this.#options = options;
    this.#registry = registry;
    this.#databases = databases;
    this.#carrier = carrier;
    this.#checkBacks = checkBacks;
  }

  /**
   * Checks everything that can be checked, connects, and answers check-backs from then on, those of an earlier process
   * of the same owner among them. With an outbox or a log it asks no broker for anything and answers nobody. Rejects with
   * `ConfigurationError` naming what is wrong, `DatabaseUnavailableError` or `BrokerError`; nothing stays open then.
   */
  static async start(options: TransactionalPublisherOptions): Promise<TransactionalPublisher> {
    const resolved = resolvePublisherOptions(options);
    const registry = new ListenerRegistry(resolved.listeners);
    const databases = new TransactionDatabases(resolved.database, registry);
    let producer: TransactionalProducer | undefined;
    const handler = new CheckBackHandler({
      owner: resolved.owner,
      registry,
      databases,
      logger: resolved.logger,
      concurrency: resolved.checkBackConcurrency,
      alarmRound: resolved.checkBackAlarmRound,
      foreignChecks: new ForeignChecks({ logger: resolved.logger, stepAside: (ms) => producer?.stepAside?.(ms) }),
    });
    try {
      const { carrier } = resolved;
      const listeners = [...registry];
      requireCompensation(carrier, listeners);
      const proven = listeners.map((listener) => ({ name: listener.name, ...proofOf(carrier, listener) }));
      for (const database of databases) await database.start(proven, resolved);
      if (carrier.kind === 'outbox') await carrier.outbox.start(listeners);
      if (carrier.kind === 'log') await carrier.log.start();
      if (carrier.kind !== 'half') return new TransactionalPublisher(resolved, registry, databases, carrier, handler);
      producer = await carrier.broker.startTransactionalProducer({
        topics: registry.topics,
        checkBack: (half, signal) => handler.answer(half, signal),
      });
      return new TransactionalPublisher(resolved, registry, databases, { kind: 'half', producer }, handler);
    } catch (error) {
      for (const database of databases) await database.close();
      throw error;
    }
  }

  /**
   * Resolves once the local transaction has committed: its messages will be delivered at least once. Rejects with
   * `InvalidMessageError`, `DatabaseUnavailableError`, `HalfMessageError` (nothing happened), `LocalTransactionError`
   * (rolled back, never delivered), `TransactionInDoubtError` (nobody knows yet; the broker will ask), or, with a log that
   * compensates, `MessageNotKeptError` (committed, its message lost).
   * Not idempotent: each call is a transaction of its own.
   */
  async publish<Input, Produced>(
    listener: TransactionListener<Input, Produced>,
    input: Input,
    options: PublishOptions = {},
  ): Promise<PublishReceipt> {
    if (this.#closing) throw new ClosedError('the publisher is closed and takes no new orders');
    if (!this.#registry.has(listener))
      throw new ConfigurationError(`publish: listener "${listener?.name}" was not given to TransactionalPublisher.start`);
    for (const database of this.#databases) {
      if (database.isInsideTransaction()) {
        throw new ForeignTransactionError(
          `publish: called inside a transaction that is already open; listener "${listener.name}" could not decide over it`,
        );
      }
    }
    // A copy: whoever traces the publication says what travels with its messages.
    const carried: PublishOptions = { ...options };
    const begun = () => ({
      listener: listener.name,
      topic: listener.messages[0]!.topic,
      correlationId: carried.correlationId,
      trace: carried as TraceCarrier,
    });
    const work = runTransactionOperation('publish', begun, () => this.#publish(listener as TransactionListener<Input>, input, carried));
    this.#track(work);
    return work;
  }

  /**
   * What became of the transaction that a half message belongs to, as its check-back would be answered: for halves the
   * broker does not ask about any more. Changes nothing but a marker that is not there yet. Never rejects: UNKNOWN comes
   * with its reason.
   */
  whatBecameOf(half: OutgoingMessage, signal: AbortSignal): Promise<CheckBackAnswer> {
    return this.#checkBacks.resolve(half, signal);
  }

  async #publish<Input>(listener: TransactionListener<Input>, input: Input, options: PublishOptions): Promise<PublishReceipt> {
    const publication = await this.#prepare(listener, input, options).catch((error: unknown) => {
      if (error instanceof CheckbackError) throw error;
      // A schema, payload(), keys() or database() that threw; nothing has been sent or written.
      throw new InvalidMessageError(`publish: listener "${listener.name}" threw before its transaction began: ${String(error)}`, {
        cause: error,
      });
    });
    await runPublication(publication, this.#carry(publication), this.#options);
    return { transactionId: publication.transactionId, correlationId: publication.correlationId };
  }

  #carry<Input>(publication: Publication<Input>): Carry {
    const carrier = this.#carrier;
    if (carrier.kind === 'outbox') return new CarryByOutbox(publication, carrier.outbox, this.#options);
    if (carrier.kind === 'log') return new CarryByLog(publication, carrier.log, this.#options);
    return new CarryByHalf(publication, carrier.producer, this.#options, (half, resolution) =>
      this.#track(this.#end(half, resolution, publication)),
    );
  }

  async #prepare<Input>(listener: TransactionListener<Input>, given: Input, options: PublishOptions): Promise<Publication<Input>> {
    const input = await acceptInput(listener, given);
    const { name, database } = this.#databases.choose(listener, input);
    const { lookup, half } = proofOf(this.#carrier, listener);
    const transactionId = uuidV7();
    const correlationId = options.correlationId ?? transactionId;
    const identity = {
      owner: this.#options.owner,
      listener: listener.name,
      transactionId,
      correlationId,
      lookup: this.#carrier.kind === 'half' ? lookup.kind : ('outbox' as const),
      database: name,
      traceparent: options.traceparent,
      tracestate: options.tracestate,
    };
    const messages = (produced: unknown) =>
      listener.messages.map(({ topic, tag, version, keys, payload }) => {
        const message = encodeHalfMessage(
          { topic, tag, version, keys: keys(input, produced), payload: payload(input, produced) },
          identity,
        );
        // As the check-back will see it: after a journey through JSON.
        const view = viewHalfMessage(message);
        database.assertCheckable(lookup, view);
        return { message, view };
      });
    const publication = { listener, input, transactionId, correlationId, database, lookup, fence: fenceOf(lookup, half), messages };
    if (listener.half === 'beforeCommit') return publication;
    const ready = messages(undefined);
    return { ...publication, messages: () => ready };
  }

  /** Best effort, once: the broker's check-back finds whatever is lost here. */
  async #end<Input>(half: SentHalfMessage, resolution: 'COMMIT' | 'ROLLBACK', publication: Publication<Input>): Promise<void> {
    const { transactionId, correlationId, listener } = publication;
    const event = { transactionId, correlationId, listener: listener.name, topic: listener.messages[0]!.topic, resolution };
    try {
      await half.end(resolution);
      emitTransactionEvent('ended', event);
    } catch (error) {
      emitTransactionEvent('end-failed', { ...event, error });
      this.#options.logger.warn({ ...event, error }, `END ${resolution} was not confirmed; the check-back will settle it`);
    }
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work);
    const done = (): void => void this.#running.delete(work);
    work.then(done, done);
  }

  /**
   * Refuses new orders at once, lets those in flight and their ENDs finish within `deadlineMs`, then disconnects. What is
   * not finished by then is settled by the check-back of another process. Idempotent; leaves nothing alive.
   */
  close(deadlineMs = 15_000): Promise<void> {
    this.#closing ??= (async () => {
      const deadline = Date.now() + deadlineMs;
      // A publication that finishes starts its END: so until nothing is left, not once.
      while (this.#running.size > 0 && Date.now() < deadline) {
        await withDeadline(Promise.allSettled(this.#running), Math.max(1, deadline - Date.now()), () => new Error('drain deadline')).catch(
          () => {},
        );
      }
      if (this.#carrier.kind === 'half') await this.#carrier.producer.close(Math.max(1_000, deadline - Date.now()));
      for (const database of this.#databases) await database.close();
    })();
    return this.#closing;
  }
}
