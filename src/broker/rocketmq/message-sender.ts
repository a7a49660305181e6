import { hostname } from 'node:os';
import type { OutgoingMessage } from '../message.ts';
import { internals } from './client-internals.ts';
import {
  type Endpoints,
  type MessageQueue,
  MessageType,
  type Producer,
  PublishingMessage,
  SendMessageRequest,
  SendReceipt,
  StatusChecker,
} from './client-package.ts';
import type { LeanCalls } from './lean/lean-calls.ts';
import { readAnswer } from './lean/read-answer.ts';
import { decodeSendResult, encodeSendMessage } from './lean/send-message.ts';
import { uniqueMessageId } from './message-id.ts';
import { QueueRotation } from './queue-rotation.ts';
import type { RpcChannels } from './rpc-channels.ts';

const PATH = '/apache.rocketmq.v2.MessagingService/SendMessage';

/** What an END needs to know: the record of a half is in the memory of the proxy at `endpoints`. */
export interface MessageReceipt {
  readonly endpoints: Endpoints;
  readonly messageId: string;
  readonly transactionId: string;
}

export interface SendAs {
  readonly type: 'NORMAL' | 'DELAY' | 'TRANSACTION';
  /** Milliseconds since the epoch; with DELAY. */
  readonly deliverAt?: number;
}

/**
 * Sends a message once. Not by the client's `send()`: its queues are those of the first route it ever saw, it avoids a
 * broker for ever after one failure, and its message ids can collide. Over the lean path where there is one and it took
 * the message, over the client's channels otherwise; never over both.
 */
export class MessageSender {
  readonly #producer: Producer;
  readonly #channels: RpcChannels;
  readonly #timeoutMs: number;
  readonly #queues = new QueueRotation();
  readonly #bornHost = hostname();

  constructor(producer: Producer, channels: RpcChannels, timeoutMs: number) {
    this.#producer = producer;
    this.#channels = channels;
    this.#timeoutMs = timeoutMs;
  }

  async send(message: OutgoingMessage, as: SendAs): Promise<MessageReceipt> {
    const queue = this.#queues.take(await internals(this.#producer).getRouteData(message.topic), 'write');
    const { lean } = this.#channels;
    const begunAt = performance.now();
    const receipt = lean === undefined ? undefined : await this.#sendLean(lean, queue, message, as);
    // A connection that could not be opened has used up some of the time.
    return receipt ?? this.#sendOfficial(queue, message, as, this.#timeoutMs - (performance.now() - begunAt));
  }

  async #sendLean(lean: LeanCalls, queue: MessageQueue, message: OutgoingMessage, as: SendAs): Promise<MessageReceipt | undefined> {
    const { topic, tag, keys, properties, body } = message;
    const { maxBodySizeBytes } = this.#producer.publishingSettings;
    if (body.length > maxBodySizeBytes) {
      throw new TypeError(`Message body size exceeds the threshold, max size=${maxBodySizeBytes} bytes`);
    }
    const frame = encodeSendMessage({
      topic,
      tag,
      keys,
      properties,
      body,
      messageId: uniqueMessageId(),
      messageType: MessageType[as.type],
      queueId: queue.queueId,
      bornHost: this.#bornHost,
      bornAt: Date.now(),
      deliverAt: as.deliverAt,
    });
    const { endpoints } = queue.broker;
    const answer = await lean.call(endpoints.facade, PATH, frame);
    if (answer === undefined) return undefined;
    const { status, messageId, transactionId } = readAnswer(lean, endpoints.facade, answer, decodeSendResult);
    StatusChecker.check(status);
    if (messageId === '') throw withoutReceipt();
    return { endpoints, messageId, transactionId };
  }

  async #sendOfficial(queue: MessageQueue, message: OutgoingMessage, as: SendAs, timeoutMs: number): Promise<MessageReceipt> {
    const { topic, tag, keys, properties, body } = message;
    const content = {
      topic,
      tag,
      keys: [...keys],
      properties: new Map(Object.entries(properties)),
      body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
      // Without a time the message would be a NORMAL one, which a DELAY topic refuses.
      ...(as.deliverAt === undefined ? {} : { deliveryTimestamp: new Date(as.deliverAt) }),
    };
    const publishing = new PublishingMessage(content, this.#producer.publishingSettings, as.type === 'TRANSACTION');
    Object.assign(publishing, { messageId: uniqueMessageId() });
    const request = new SendMessageRequest();
    request.addMessages(publishing.toProtobuf('', queue));
    const { endpoints } = queue.broker;
    const response = await this.#channels.asClientManager().sendMessage(endpoints, request, timeoutMs);
    const [receipt] = SendReceipt.processResponseInvocation(queue, response);
    if (receipt === undefined) throw withoutReceipt();
    return { endpoints, messageId: receipt.messageId, transactionId: receipt.transactionId };
  }
}

const withoutReceipt = (): Error => new Error('the broker answered without a receipt');
