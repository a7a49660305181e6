import { ClosedError, HalfMessageError } from '../../errors.ts';
import type { OutgoingMessage } from '../message.ts';
import type { CheckBack, SentHalfMessage, TransactionalProducer } from '../transactional-producer.ts';
import { describeFailure, isRefusal } from './broker-failure.ts';
import { CheckBackAnswers } from './check-back-answers.ts';
import { replaceChannels, startClient, stopClient } from './client-lifecycle.ts';
import { clientOptions } from './client-options.ts';
import { Producer } from './client-package.ts';
import { InFlight } from './in-flight.ts';
import { MessageSender } from './message-sender.ts';
import type { ResolvedRocketmqOptions } from './options.ts';
import { requireTopic } from './require-topic.ts';
import type { RpcChannels } from './rpc-channels.ts';
import { TransactionEnds } from './transaction-ends.ts';

/** Longest a check-back may take; the proxy forgets the question after 30 s. */
const CHECK_BACK_DEADLINE_MS = 25_000;
/** Most check-backs answered at once by one producer, whatever its publisher allows. */
const CHECK_BACK_CONCURRENCY = 256;

/** Opens a producer for exactly these topics; all of them are announced at once, so that check-backs arrive before the first send. */
export async function startRocketmqTransactionalProducer(
  options: ResolvedRocketmqOptions,
  topics: readonly string[],
  checkBack: CheckBack,
): Promise<TransactionalProducer> {
  const deadline = Date.now() + options.startTimeoutMs;
  const producer = new Producer({ ...clientOptions(options), topics: [...topics], maxAttempts: 1 });
  const channels = replaceChannels(producer, options);
  const adapter = new RocketmqTransactionalProducer(producer, channels, options, topics, checkBack);
  try {
    await Promise.all(topics.map((topic) => requireTopic(producer, channels, topic, 'TRANSACTION', options, deadline)));
    await startClient(producer, options, deadline);
  } catch (error) {
    await adapter.close(1_000);
    throw error;
  }
  return adapter;
}

class RocketmqTransactionalProducer implements TransactionalProducer {
  readonly #producer: Producer;
  readonly #channels: RpcChannels;
  readonly #options: ResolvedRocketmqOptions;
  readonly #topics: ReadonlySet<string>;
  readonly #answers: CheckBackAnswers;
  readonly #sender: MessageSender;
  readonly #ends: TransactionEnds;
  readonly #inFlight = new InFlight();
  #closing: Promise<void> | undefined;

  constructor(
    producer: Producer,
    channels: RpcChannels,
    options: ResolvedRocketmqOptions,
    topics: readonly string[],
    checkBack: CheckBack,
  ) {
    this.#producer = producer;
    this.#channels = channels;
    this.#options = options;
    this.#topics = new Set(topics);
    this.#sender = new MessageSender(producer, channels, options.requestTimeoutMs);
    this.#ends = new TransactionEnds(producer, channels);
    this.#answers = new CheckBackAnswers({
      checkBack,
      logger: options.logger,
      deadlineMs: CHECK_BACK_DEADLINE_MS,
      concurrency: CHECK_BACK_CONCURRENCY,
    });
    // The answer goes to the endpoint that asked, which alone remembers the question.
    producer.onRecoverOrphanedTransactionCommand = (endpoints, command) =>
      this.#answers.answer(command, ({ topic, messageId }, transactionId, resolution) =>
        this.#inFlight.track(this.#ends.answer({ endpoints, topic, messageId, transactionId }, resolution)),
      );
  }

  async sendHalf(message: OutgoingMessage): Promise<SentHalfMessage> {
    const what = `half message to topic "${message.topic}" on ${this.#options.endpoints}`;
    if (this.#closing !== undefined) {
      const cause = new ClosedError('the producer is closed');
      throw new HalfMessageError(`${what} was not sent: ${cause.message}`, { cause, retryable: false });
    }
    // The client would add it to its topics first and ask afterwards; and nobody could answer its check-backs.
    if (!this.#topics.has(message.topic)) {
      throw new HalfMessageError(`${what} was not sent: the producer was started for ${[...this.#topics].join(', ')}`, {
        retryable: false,
      });
    }
    try {
      return await this.#inFlight.track(this.#send(message));
    } catch (error) {
      throw new HalfMessageError(`${what} was not confirmed: ${describeFailure(error)}`, { cause: error, retryable: !isRefusal(error) });
    }
  }

  async #send(message: OutgoingMessage): Promise<SentHalfMessage> {
    const half = { topic: message.topic, ...(await this.#sender.send(message, { type: 'TRANSACTION' })) };
    return {
      messageId: half.messageId,
      end: (resolution) => this.#inFlight.track(this.#ends.end(half, resolution)),
    };
  }

  // A proxy asks producers whose telemetry stream is open, the next one if need be (`ProducerManager.getAvailableChannel`).
  stepAside(ms: number): void {
    this.#channels.pauseTelemetry(ms);
  }

  close(deadlineMs = 5_000): Promise<void> {
    this.#closing ??= (async () => {
      const endsAt = Date.now() + deadlineMs;
      this.#answers.close();
      await this.#inFlight.drain(deadlineMs);
      await stopClient(this.#producer, this.#channels, Math.max(0, endsAt - Date.now()));
    })();
    return this.#closing;
  }
}
