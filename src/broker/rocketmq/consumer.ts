import { BrokerError, ClosedError } from '../../errors.ts';
import type { Consumer, Delivery } from '../consumer.ts';
import { AckBatches } from './ack-batches.ts';
import { describeFailure, isRefusal } from './broker-failure.ts';
import { internals } from './client-internals.ts';
import { replaceChannels, startClient, stopClient } from './client-lifecycle.ts';
import { clientOptions } from './client-options.ts';
import {
  AckMessageRequest,
  type Endpoints,
  FilterExpression,
  type MessageView,
  Resource,
  SimpleConsumer,
  type service,
} from './client-package.ts';
import { forwardToDeadLetterQueue, undecodedView } from './dead-letter.ts';
import { decodeEachOnItsOwn } from './decode-batch.ts';
import { InFlight } from './in-flight.ts';
import type { ResolvedRocketmqOptions } from './options.ts';
import { QueueRotation } from './queue-rotation.ts';
import { receivedMessage } from './received-message.ts';
import { requireTopic } from './require-topic.ts';
import type { RpcChannels } from './rpc-channels.ts';

export interface RocketmqConsumerOptions {
  readonly topic: string;
  readonly group: string;
  /** A tag, several joined by `||`, or `*`. Default `*`. */
  readonly tag?: string | undefined;
  /** How long a receive waits for a first message. The proxy allows 5,000 to 20,000 ms. Default 15,000. */
  readonly longPollMs?: number | undefined;
  /**
   * Hands out what cannot be decoded as the bytes that came, instead of moving it to the group's dead-letter queue: for a
   * reader of such a queue. Default false.
   */
  readonly keepUndecodable?: boolean | undefined;
}

/** A SimpleConsumer of one topic: with several it polls them in turn and long-polls the empty one. */
export async function startRocketmqConsumer(options: ResolvedRocketmqOptions, consumer: RocketmqConsumerOptions): Promise<Consumer> {
  const deadline = Date.now() + options.startTimeoutMs;
  const filter = new FilterExpression(consumer.tag ?? '*');
  const longPollMs = consumer.longPollMs ?? 15_000;
  const client = new SimpleConsumer({
    ...clientOptions(options),
    consumerGroup: consumer.group,
    subscriptions: new Map([[consumer.topic, filter]]),
    awaitDuration: longPollMs,
  });
  const channels = replaceChannels(client, options);
  const adapter = new RocketmqConsumer(client, channels, options, consumer, filter, longPollMs);
  try {
    await requireTopic(client, channels, consumer.topic, undefined, options, deadline);
    await startClient(client, options, deadline);
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
  readonly #filter: FilterExpression;
  readonly #longPollMs: number;
  readonly #keepUndecodable: boolean;
  readonly #queues = new QueueRotation();
  readonly #acks = new AckBatches((endpoints, views) => this.#sendAcks(endpoints, views));
  readonly #inFlight = new InFlight();
  readonly #stop = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(
    client: SimpleConsumer,
    channels: RpcChannels,
    options: ResolvedRocketmqOptions,
    { topic, group, keepUndecodable = false }: RocketmqConsumerOptions,
    filter: FilterExpression,
    longPollMs: number,
  ) {
    this.topic = topic;
    this.group = group;
    this.#client = client;
    this.#channels = channels;
    this.#options = options;
    this.#filter = filter;
    this.#longPollMs = longPollMs;
    this.#keepUndecodable = keepUndecodable;
  }

  async receive(max: number, invisibleMs: number, signal?: AbortSignal): Promise<Delivery[]> {
    const stop = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    stop.throwIfAborted();
    try {
      const views = await this.#inFlight.track(this.#pollOrHandBack(max, invisibleMs, stop));
      stop.throwIfAborted();
      return views.map((view) => this.#delivery(view));
    } catch (error) {
      throw stop.aborted ? stop.reason : this.#failure('receive from', error);
    }
  }

  /** What arrived as the receive was given up is visible to others at once instead of at the end of its invisible duration. */
  async #pollOrHandBack(max: number, invisibleMs: number, stop: AbortSignal): Promise<readonly MessageView[]> {
    const views = await this.#poll(max, invisibleMs, stop);
    if (!stop.aborted) return views;
    void this.#inFlight.track(Promise.allSettled(views.map((view) => this.#client.changeInvisibleDuration(view, 0))));
    return [];
  }

  /** Not by the client's `receive()`: it cannot be aborted, and loses a whole batch to one bad message. */
  async #poll(max: number, invisibleMs: number, stop: AbortSignal): Promise<readonly MessageView[]> {
    const inner = internals(this.#client);
    const queue = this.#queues.take(await inner.getRouteData(this.topic), 'read');
    const request = inner.wrapReceiveMessageRequest(max, queue, this.#filter, invisibleMs, this.#longPollMs);
    const { endpoints } = queue.broker;
    const responses = await this.#channels.receiveMessage(endpoints, request, this.#options.requestTimeoutMs + this.#longPollMs, stop);
    const { views, undecodable } = decodeEachOnItsOwn(responses, queue);
    if (this.#keepUndecodable) return [...views, ...undecodable.map(({ message }) => undecodedView(message, queue))];
    const { topic, group } = this;
    const { logger, requestTimeoutMs } = this.#options;
    for (const { message, reason } of undecodable) {
      const bad = { topic, group, endpoints, message, reason, requestTimeoutMs };
      void this.#inFlight.track(forwardToDeadLetterQueue(this.#channels, bad, logger));
    }
    return views;
  }

  #delivery(view: MessageView): Delivery {
    const tracked = (what: string, work: Promise<void>): Promise<void> =>
      this.#inFlight.track(work.catch((error: unknown) => Promise.reject(this.#failure(what, error))));
    return {
      message: receivedMessage(view),
      ack: () => tracked('acknowledge a message of', this.#acks.ack(view)),
      changeInvisibleDuration: (ms) => tracked('postpone a message of', this.#client.changeInvisibleDuration(view, ms)),
    };
  }

  /** Not by the client's `ack()`: one message a request, and it looks at the status of the request and not at that of its entry. */
  #sendAcks(endpoints: Endpoints, views: readonly MessageView[]): Promise<service.AckMessageResponse> {
    const request = new AckMessageRequest().setGroup(new Resource().setName(this.group)).setTopic(new Resource().setName(this.topic));
    for (const { messageId, receiptHandle } of views) request.addEntries().setMessageId(messageId).setReceiptHandle(receiptHandle);
    return this.#channels.asClientManager().ackMessage(endpoints, request, this.#options.requestTimeoutMs);
  }

  #failure(what: string, error: unknown): BrokerError {
    return new BrokerError(
      `could not ${what} topic "${this.topic}" as group "${this.group}" on ${this.#options.endpoints}: ${describeFailure(error)}`,
      { cause: error, retryable: !isRefusal(error) },
    );
  }

  close(deadlineMs = 5_000): Promise<void> {
    this.#closing ??= (async () => {
      const endsAt = Date.now() + deadlineMs;
      this.#stop.abort(new ClosedError(`the consumer of topic "${this.topic}" is closed`));
      await this.#inFlight.drain(deadlineMs);
      await stopClient(this.#client, this.#channels, Math.max(0, endsAt - Date.now()));
    })();
    return this.#closing;
  }
}
