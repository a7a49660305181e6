import type { OutgoingMessage } from '../message.ts';
import { internals } from './client-internals.ts';
import { type Endpoints, type Producer, PublishingMessage, SendMessageRequest, SendReceipt } from './client-package.ts';
import { uniqueMessageId } from './message-id.ts';
import { QueueRotation } from './queue-rotation.ts';
import type { RpcChannels } from './rpc-channels.ts';

/** What an END needs to know: the record of the half is in the memory of the proxy at `endpoints`. */
export interface HalfReceipt {
  readonly endpoints: Endpoints;
  readonly messageId: string;
  readonly transactionId: string;
}

/**
 * Sends a half once. Not by the client's `send()`: its queues are those of the first route it ever saw, it avoids a
 * broker for ever after one failure, and its message ids can collide.
 */
export class HalfSender {
  readonly #producer: Producer;
  readonly #channels: RpcChannels;
  readonly #timeoutMs: number;
  readonly #queues = new QueueRotation();

  constructor(producer: Producer, channels: RpcChannels, timeoutMs: number) {
    this.#producer = producer;
    this.#channels = channels;
    this.#timeoutMs = timeoutMs;
  }

  async send({ topic, tag, keys, properties, body }: OutgoingMessage): Promise<HalfReceipt> {
    const queue = this.#queues.take(await internals(this.#producer).getRouteData(topic), 'write');
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const content = { topic, tag, keys: [...keys], properties: new Map(Object.entries(properties)), body: bytes };
    const message = new PublishingMessage(content, this.#producer.publishingSettings, true);
    Object.assign(message, { messageId: uniqueMessageId() });
    const request = new SendMessageRequest();
    request.addMessages(message.toProtobuf('', queue));
    const { endpoints } = queue.broker;
    const response = await this.#channels.asClientManager().sendMessage(endpoints, request, this.#timeoutMs);
    const [receipt] = SendReceipt.processResponseInvocation(queue, response);
    if (receipt === undefined) throw new Error('the broker answered without a receipt');
    return { endpoints, messageId: receipt.messageId, transactionId: receipt.transactionId };
  }
}
