import { MessageLog } from './message-log.ts';
import { Refusal } from './refusal.ts';
import type { EmbeddedTopicType, IncomingMessage, StoredMessage } from './stored-message.ts';

/** A topic and its messages, in the order they became readable. Queues are numbers on messages: nobody reads a single one. */
export interface Topic {
  readonly name: string;
  readonly type: EmbeddedTopicType;
  readonly queues: number;
  log: MessageLog<StoredMessage>;
}

/** Where a broker keeps its own business; no client may touch them. */
const SYSTEM_TOPICS = new Set([
  'TBW102',
  'SCHEDULE_TOPIC_XXXX',
  'BenchmarkTest',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'RMQ_SYS_TRACE_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
  'SELF_TEST_TOPIC',
  'OFFSET_MOVED_EVENT',
]);

const NAME = /^[%|a-zA-Z0-9_-]+$/;

/** Refuses as `Validators.checkTopic` and `TopicValidator.isSystemTopic` of the proxy do. */
export function requireTopicName(name: string): void {
  if (name.trim() === '') throw new Refusal('ILLEGAL_TOPIC', 'The specified topic is blank');
  if (name.length > 127) throw new Refusal('ILLEGAL_TOPIC', 'The specified topic is longer than topic max length 127.');
  if (!NAME.test(name))
    throw new Refusal('ILLEGAL_TOPIC', `The specified topic[${name}] contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$`);
  if (SYSTEM_TOPICS.has(name) || name.startsWith('rmq_sys_')) throw new Refusal('ILLEGAL_TOPIC', 'cannot access system topic');
}

export class Topics {
  readonly #topics = new Map<string, Topic>();

  all(): readonly Topic[] {
    return [...this.#topics.values()];
  }

  find(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  /** Refuses in the words of the name server. */
  require(name: string): Topic {
    const topic = this.#topics.get(name);
    if (topic === undefined)
      throw new Refusal('TOPIC_NOT_FOUND', `CODE: 17  DESC: No topic route info in name server for the topic: ${name}`);
    return topic;
  }

  /** A topic that exists keeps its messages and takes the new type. */
  create(name: string, type: EmbeddedTopicType, queues: number): Topic {
    const log = this.#topics.get(name)?.log ?? new MessageLog<StoredMessage>();
    const topic = { name, type, queues, log };
    this.#topics.set(name, topic);
    return topic;
  }
}

/** Numbers a message for its topic. Queues take turns; messages of one message group share one, as their order is promised. */
export function numbered(topic: Topic, message: IncomingMessage, storedAt: number): StoredMessage {
  const number = topic.log.next;
  const queueId = message.messageGroup === undefined ? number % topic.queues : hash(message.messageGroup) % topic.queues;
  return { ...message, topic: topic.name, storedAt, queueId, queueOffset: Math.floor(number / topic.queues) };
}

function hash(text: string): number {
  let value = 7;
  for (let index = 0; index < text.length; index += 1) value = (Math.imul(value, 31) + text.charCodeAt(index)) >>> 0;
  return value;
}
