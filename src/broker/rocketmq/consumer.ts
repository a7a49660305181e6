import { BrokerError } from '../../errors.ts';
import type { Consumer, Delivery } from '../consumer.ts';
import { describeFailure, isRefusal } from './broker-failure.ts';
import {
  FilterExpression,
  ForwardMessageToDeadLetterQueueRequest,
  type MessageQueue,
  MessageView,
  ReceiveMessageResponse,
  Resource,
  SimpleConsumer,
  StatusChecker,
  type definition,
  type service,
} from './client-package.ts';
import { replaceChannels, requireTopic, startClient, stopClient } from './client-lifecycle.ts';
import { clientLogger } from './client-logger.ts';
import type { ResolvedRocketmqOptions } from './options.ts';
import { receivedMessage } from './received-message.ts';
import type { RpcChannels } from './rpc-channels.ts';

export interface RocketmqConsumerOptions {
  readonly topic: string;
  readonly group: string;
  /** A tag, several joined by `||`, or `*`. Default `*`. */
  readonly tag?: string | undefined;
  /** How long a receive waits for a first message. The proxy allows 5,000 to 20,000 ms. Default 15,000. */
  readonly longPollMs?: number | undefined;
}

/** A SimpleConsumer of one topic: with several it polls them in turn and long-polls the empty one. */
export async function startRocketmqConsumer(options: ResolvedRocketmqOptions, consumer: RocketmqConsumerOptions): Promise<Consumer> {
  const client = new SimpleConsumer({
    endpoints: options.endpoints,
    namespace: '',
    consumerGroup: consumer.group,
    subscriptions: new Map([[consumer.topic, new FilterExpression(consumer.tag ?? '*')]]),
    awaitDuration: consumer.longPollMs ?? 15_000,
    // Its own retry sleeps inside receive(); backing off is the caller's decision.
    maxRetryAttempts: 1,
    requestTimeout: options.requestTimeoutMs,
    sslEnabled: options.tls !== false,
    ...(options.credentials === undefined
      ? {}
      : { sessionCredentials: { ...options.credentials, securityToken: options.credentials.securityToken ?? '' } }),
    logger: clientLogger(options.logger),
  });
  const channels = replaceChannels(client, options);
  const adapter = new RocketmqConsumer(client, channels, options, consumer);
  try {
    await requireTopic(client, channels, consumer.topic, undefined, options);
    await startClient(client, options);
  } catch (error) {
    await adapter.close(1_000);
    throw error;
  }
  return adapter;
}

class RocketmqConsumer implements Consumer {
  readonly topic: string;
  readonly group: string;
  readonly #client: SimpleConsumer;
  readonly #channels: RpcChannels;
  readonly #options: ResolvedRocketmqOptions;
  readonly #pending = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(client: SimpleConsumer, channels: RpcChannels, options: ResolvedRocketmqOptions, consumer: RocketmqConsumerOptions) {
    this.topic = consumer.topic;
    this.group = consumer.group;
    this.#client = client;
    this.#channels = channels;
    this.#options = options;
    Object.assign(client, { receiveMessage: this.#receiveEachOnItsOwn.bind(this) });
  }

  async receive(max: number, invisibleMs: number, signal?: AbortSignal): Promise<Delivery[]> {
    signal?.throwIfAborted();
    const views = this.#client.receive(max, invisibleMs).catch((error: unknown) => {
      throw this.#failure('receive from', error);
    });
    if (signal === undefined) return (await views).map((view) => this.#delivery(view));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        reject(signal.reason);
        void this.#track(views.then((late) => this.#handBack(late)).catch(() => {}));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      views.then(
        (received) => resolve(received.map((view) => this.#delivery(view))),
        reject,
      ).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  /**
   * The client builds all views of a batch at once, and one bad gzip or missing digest rejects up to 32 messages, which
   * then stay invisible. Each is decoded alone here; the bad one goes to the group's dead-letter queue by itself.
   */
  async #receiveEachOnItsOwn(request: service.ReceiveMessageRequest, queue: MessageQueue, awaitMs: number): Promise<MessageView[]> {
    const responses = await this.#channels.receiveMessage(queue.broker.endpoints, request, this.#options.requestTimeoutMs + awaitMs);
    const views: MessageView[] = [];
    for (const response of responses) {
      if (response.getContentCase() === ReceiveMessageResponse.ContentCase.STATUS) StatusChecker.check(response.getStatus()?.toObject());
      const message = response.getMessage();
      if (message === undefined) continue;
      try {
        const view = new MessageView(message, queue);
        if (view.corrupted) throw new Error('the body does not match its digest');
        views.push(view);
      } catch (error) {
        void this.#track(this.#deadLetter(message, queue, error));
      }
    }
    return views;
  }

  async #deadLetter(message: definition.Message, queue: MessageQueue, reason: unknown): Promise<void> {
    const system = message.getSystemProperties();
    const messageId = system?.getMessageId() ?? '';
    this.#options.logger.error({ topic: this.topic, group: this.group, messageId, error: reason }, 'message cannot be decoded; moved to the dead-letter queue');
    const request = new ForwardMessageToDeadLetterQueueRequest()
      .setGroup(new Resource().setName(this.group))
      .setTopic(new Resource().setName(this.topic))
      .setReceiptHandle(system?.getReceiptHandle() ?? '')
      .setMessageId(messageId)
      .setDeliveryAttempt(system?.getDeliveryAttempt() ?? 1)
      .setMaxDeliveryAttempts(1);
    try {
      const response = await this.#channels.asClientManager().forwardMessageToDeadLetterQueue(queue.broker.endpoints, request, this.#options.requestTimeoutMs);
      StatusChecker.check(response.getStatus()?.toObject());
    } catch (error) {
      this.#options.logger.warn({ messageId, error }, 'undecodable message was not moved; it will be delivered again');
    }
  }

  #delivery(view: MessageView): Delivery {
    return {
      message: receivedMessage(view),
      ack: () => this.#track(this.#client.ack(view).catch((error: unknown) => Promise.reject(this.#failure('acknowledge a message of', error)))),
      changeInvisibleDuration: (ms) =>
        this.#track(
          this.#client.changeInvisibleDuration(view, ms).catch((error: unknown) => Promise.reject(this.#failure('postpone a message of', error))),
        ),
    };
  }

  async #handBack(views: MessageView[]): Promise<void> {
    await Promise.allSettled(views.map((view) => this.#client.changeInvisibleDuration(view, 0)));
  }

  #failure(what: string, error: unknown): BrokerError {
    return new BrokerError(`could not ${what} topic "${this.topic}" as group "${this.group}" on ${this.#options.endpoints}: ${describeFailure(error)}`, {
      cause: error,
      retryable: !isRefusal(error),
    });
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work);
    const done = (): void => void this.#pending.delete(work);
    work.then(done, done);
    return work;
  }

  close(deadlineMs = 5_000): Promise<void> {
    this.#closing ??= (async () => {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([Promise.allSettled(this.#pending), new Promise((resolve) => (timer = setTimeout(resolve, deadlineMs)))]);
      clearTimeout(timer);
      await stopClient(this.#client, this.#channels, deadlineMs);
    })();
    return this.#closing;
  }
}
