import { v7 as uuidV7 } from 'uuid';
import type { OutgoingMessage } from '../broker/message.ts';
import type { SentHalfMessage, TransactionalProducer } from '../broker/transactional-producer.ts';
import { CheckbackError, ClosedError, ConfigurationError, ForeignTransactionError, InvalidMessageError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import { type CheckBackAnswer, CheckBackHandler } from './check-back-handler.ts';
import { emitTransactionEvent } from './diagnostics.ts';
import { ForeignChecks } from './foreign-checks.ts';
import { encodeHalfMessage, viewHalfMessage } from './half-message.ts';
import { ListenerRegistry } from './listener-registry.ts';
import { type ProtocolDeps, type Publication, runPublication } from './publish-protocol.ts';
import { type ResolvedPublisherOptions, type TransactionalPublisherOptions, resolvePublisherOptions } from './publisher-options.ts';
import { fenceOf } from './transaction-database.ts';
import { TransactionDatabases } from './transaction-databases.ts';
import type { TransactionListener } from './transaction-listener.ts';
import type { TransactionalOutbox } from './transactional-outbox.ts';

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
  readonly #carrier: ProtocolDeps['carrier'];
  readonly #checkBacks: CheckBackHandler;
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(
    options: ResolvedPublisherOptions,
    registry: ListenerRegistry,
    databases: TransactionDatabases,
    carrier: ProtocolDeps['carrier'],
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
   * of the same owner among them. With an outbox it asks no broker for anything and answers nobody. Rejects with `ConfigurationError` naming what is wrong, `DatabaseUnavailableError` or
   * `BrokerError`; nothing stays open then.
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
      const proven = carrier.kind === 'half' ? [...registry] : [...registry].map(({ name }) => ({ name, ...proofOf(carrier.outbox) }));
      for (const database of databases) await database.start(proven, resolved);
      if (carrier.kind === 'outbox') {
        await carrier.outbox.start();
        return new TransactionalPublisher(resolved, registry, databases, carrier, handler);
      }
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
   * (rolled back, never delivered), or `TransactionInDoubtError` (nobody knows yet; the broker will ask).
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
    const work = this.#publish(listener as TransactionListener<Input>, input, options);
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
    await runPublication(publication, {
      carrier: this.#carrier,
      options: this.#options,
      endLater: (half, resolution) => this.#track(this.#end(half, resolution, publication)),
    });
    return { transactionId: publication.transactionId, correlationId: publication.correlationId };
  }

  async #prepare<Input>(listener: TransactionListener<Input>, given: Input, options: PublishOptions): Promise<Publication<Input>> {
    const input = await accept(listener, given);
    const { name, database } = this.#databases.choose(listener, input);
    const { lookup, half } = this.#carrier.kind === 'half' ? listener : proofOf(this.#carrier.outbox);
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

/** What an outbox proves a COMMIT by, in place of a listener's own: its rows, written before COMMIT is sent. */
const proofOf = (outbox: TransactionalOutbox) => ({ lookup: outbox.lookup, half: 'beforeCommit' as const });

async function accept<Input>(listener: TransactionListener<Input>, input: Input): Promise<Input> {
  if (listener.schema === undefined) return input;
  const result = await listener.schema['~standard'].validate(input);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(
    ({ path, message }) =>
      `${(path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'input'}: ${message}`,
  );
  throw new InvalidMessageError(`input of listener "${listener.name}" is refused: ${issues.join('; ')}`);
}
