import { HalfMessageError } from '../../errors.ts';
import type { OutgoingMessage } from '../message.ts';
import type { CheckBack, CheckedHalfMessage, SentHalfMessage, TransactionalProducer } from '../transactional-producer.ts';
import { describeFailure, isRefusal } from './broker-failure.ts';
import { type Endpoints, MessageView, Producer, TransactionResolution, TransactionSource, type definition, type service } from './client-package.ts';
import { replaceChannels, requireTopic, startClient, stopClient } from './client-lifecycle.ts';
import { clientLogger } from './client-logger.ts';
import type { ResolvedRocketmqOptions } from './options.ts';
import { CHECK_ROUND_PROPERTY, userProperties } from './received-message.ts';
import type { RpcChannels } from './rpc-channels.ts';

/** Longest a check-back may take: the proxy forgets the question after 30 s. */
const CHECK_BACK_DEADLINE_MS = 25_000;

/** Opens a producer for exactly these topics; all of them are announced at once, so that check-backs arrive before the first send. */
export async function startRocketmqTransactionalProducer(
  options: ResolvedRocketmqOptions,
  topics: readonly string[],
  checkBack: CheckBack,
): Promise<TransactionalProducer> {
  const producer = new Producer({
    endpoints: options.endpoints,
    namespace: '',
    topics: [...topics],
    // A half message is never sent twice under one id.
    maxAttempts: 1,
    requestTimeout: options.requestTimeoutMs,
    sslEnabled: options.tls !== false,
    ...(options.credentials === undefined
      ? {}
      : { sessionCredentials: { ...options.credentials, securityToken: options.credentials.securityToken ?? '' } }),
    logger: clientLogger(options.logger),
    // Asked for by `beginTransaction`; questions are taken in `answerCheckBack`, where answers can be counted and bounded.
    checker: { check: async () => TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED },
  });
  const channels = replaceChannels(producer, options);
  const adapter = new RocketmqTransactionalProducer(producer, channels, options, checkBack);
  try {
    for (const topic of topics) await requireTopic(producer, channels, topic, 'TRANSACTION', options);
    await startClient(producer, options);
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
  readonly #checkBack: CheckBack;
  #closing: Promise<void> | undefined;

  constructor(producer: Producer, channels: RpcChannels, options: ResolvedRocketmqOptions, checkBack: CheckBack) {
    this.#producer = producer;
    this.#channels = channels;
    this.#options = options;
    this.#checkBack = checkBack;
    producer.onRecoverOrphanedTransactionCommand = (endpoints, command) => this.#answerCheckBack(endpoints, command);
  }

  async sendHalf(message: OutgoingMessage): Promise<SentHalfMessage> {
    try {
      const receipt = await this.#producer.send(
        {
          topic: message.topic,
          tag: message.tag,
          keys: [...message.keys],
          properties: new Map(Object.entries(message.properties)),
          body: Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength),
        },
        this.#producer.beginTransaction(),
      );
      return {
        messageId: receipt.messageId,
        end: (resolution) => this.#end(receipt.endpoints, message.topic, receipt.messageId, receipt.transactionId, resolution, TransactionSource.SOURCE_CLIENT),
      };
    } catch (error) {
      throw new HalfMessageError(
        `half message to topic "${message.topic}" on ${this.#options.endpoints} was not confirmed: ${describeFailure(error)}`,
        { cause: error, retryable: !isRefusal(error) },
      );
    }
  }

  async #end(endpoints: Endpoints, topic: string, messageId: string, transactionId: string, resolution: 'COMMIT' | 'ROLLBACK', source: definition.TransactionSource): Promise<void> {
    await this.#producer.endTransaction(endpoints, { topic } as never, messageId, transactionId, TransactionResolution[resolution], source);
  }

  /** Never rejects: nobody listens to it. The answer goes to the endpoint that asked, which alone remembers the question. */
  async #answerCheckBack(endpoints: Endpoints, command: service.RecoverOrphanedTransactionCommand): Promise<void> {
    const transactionId = command.getTransactionId();
    try {
      const view = new MessageView(command.getMessage() as never);
      const resolution = await this.#checkBack(checkedHalfMessage(view), AbortSignal.timeout(CHECK_BACK_DEADLINE_MS));
      if (resolution === 'UNKNOWN' || this.#closing) return;
      await this.#end(endpoints, view.topic, view.messageId, transactionId, resolution, TransactionSource.SOURCE_SERVER_CHECK);
    } catch (error) {
      this.#options.logger.warn({ brokerTransactionId: transactionId, error }, 'check-back not answered; the broker will ask again');
    }
  }

  close(deadlineMs = 5_000): Promise<void> {
    this.#closing ??= stopClient(this.#producer, this.#channels, deadlineMs);
    return this.#closing;
  }
}

function checkedHalfMessage(view: MessageView): CheckedHalfMessage {
  return {
    topic: view.topic,
    tag: view.tag ?? '',
    keys: view.keys,
    properties: userProperties(view),
    body: view.body,
    messageId: view.messageId,
    round: Number(view.properties.get(CHECK_ROUND_PROPERTY) ?? 1),
    bornAt: view.bornTimestamp,
  };
}
