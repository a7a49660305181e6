import { BrokerError, ClosedError } from '../../errors.ts';
import type { OutgoingMessage } from '../message.ts';
import type { Producer, ProducerTopicType } from '../producer.ts';
import { describeFailure, isRefusal } from './broker-failure.ts';
import { replaceChannels, startClient, stopClient } from './client-lifecycle.ts';
import { clientOptions } from './client-options.ts';
import { Producer as Client } from './client-package.ts';
import { InFlight } from './in-flight.ts';
import { MessageSender } from './message-sender.ts';
import type { ResolvedRocketmqOptions } from './options.ts';
import { requireTopic } from './require-topic.ts';
import type { RpcChannels } from './rpc-channels.ts';

export interface RocketmqProducerOptions {
  readonly topic: string;
  /** What the topic was created for; a topic takes one type only. Default 'NORMAL'. */
  readonly type?: ProducerTopicType | undefined;
}

/** Opens a producer for one topic. Its type is asked for at once: a send of the wrong type would be refused much later. */
export async function startRocketmqProducer(
  options: ResolvedRocketmqOptions,
  { topic, type = 'NORMAL' }: RocketmqProducerOptions,
): Promise<Producer> {
  const deadline = Date.now() + options.startTimeoutMs;
  const client = new Client({ ...clientOptions(options), topics: [topic], maxAttempts: 1 });
  const channels = replaceChannels(client, options);
  const adapter = new RocketmqProducer(client, channels, options, topic, type);
  try {
    await requireTopic(client, channels, topic, type, options, deadline);
    await startClient(client, options, deadline);
  } catch (error) {
    await adapter.close(1_000);
    throw error;
  }
  return adapter;
}

class RocketmqProducer implements Producer {
  readonly #client: Client;
  readonly #channels: RpcChannels;
  readonly #options: ResolvedRocketmqOptions;
  readonly #topic: string;
  readonly #type: ProducerTopicType;
  readonly #sender: MessageSender;
  readonly #inFlight = new InFlight();
  #closing: Promise<void> | undefined;

  constructor(client: Client, channels: RpcChannels, options: ResolvedRocketmqOptions, topic: string, type: ProducerTopicType) {
    this.#client = client;
    this.#channels = channels;
    this.#options = options;
    this.#topic = topic;
    this.#type = type;
    this.#sender = new MessageSender(client, channels, options.requestTimeoutMs);
  }

  async send(message: OutgoingMessage, { delayMs }: { readonly delayMs?: number | undefined } = {}): Promise<{ messageId: string }> {
    const what = `message to topic "${message.topic}" on ${this.#options.endpoints}`;
    const refuse = (why: string, cause?: unknown): never => {
      throw new BrokerError(`${what} was not sent: ${why}`, { cause, retryable: false });
    };
    if (this.#closing !== undefined) refuse('the producer is closed', new ClosedError('the producer is closed'));
    if (message.topic !== this.#topic) refuse(`the producer was started for ${this.#topic}`);
    if (delayMs !== undefined && this.#type !== 'DELAY') refuse(`delayMs needs a DELAY topic, and this one takes ${this.#type}`);
    if (delayMs !== undefined && !(Number.isSafeInteger(delayMs) && delayMs >= 0))
      refuse(`delayMs must be whole milliseconds, got ${delayMs}`);
    try {
      return await this.#inFlight.track(this.#send(message, delayMs));
    } catch (error) {
      throw new BrokerError(`${what} was not confirmed: ${describeFailure(error)}`, { cause: error, retryable: !isRefusal(error) });
    }
  }

  async #send(message: OutgoingMessage, delayMs = 0): Promise<{ messageId: string }> {
    const type = this.#type;
    const { messageId } = await this.#sender.send(message, type === 'DELAY' ? { type, deliverAt: Date.now() + delayMs } : { type });
    return { messageId };
  }

  close(deadlineMs = 5_000): Promise<void> {
    this.#closing ??= (async () => {
      const endsAt = Date.now() + deadlineMs;
      await this.#inFlight.drain(deadlineMs);
      await stopClient(this.#client, this.#channels, Math.max(0, endsAt - Date.now()));
    })();
    return this.#closing;
  }
}
