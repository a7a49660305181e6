import type { OutgoingMessage } from '../broker/message.ts';
import type { Producer, ProducerTopicType } from '../broker/producer.ts';
import { ClosedError, ConfigurationError } from '../errors.ts';

/** Sends the messages of an outbox to whatever topic they name. Safe for concurrent use. */
export interface OutboxSender {
  /** Resolved means durable. Rejects as `Producer.send` does, and with `ConfigurationError` for a topic that is missing or takes no such message. */
  send(message: OutgoingMessage): Promise<{ readonly messageId: string }>;
  /** Lets sends in progress finish. Idempotent; never rejects. */
  close(): Promise<void>;
}

/** What the sender needs of a broker. */
export interface OutboxBroker {
  /**
   * Asks the broker what a topic takes. Rejects with `ConfigurationError` when there is no such topic, with `BrokerError`
   * when nobody answers. Default: every topic is taken for a NORMAL one, and `startProducer` refuses others.
   */
  topicType?(topic: string): Promise<ProducerTopicType | 'TRANSACTION' | 'FIFO'>;
  startProducer(options: { readonly topic: string; readonly type: ProducerTopicType }): Promise<Producer>;
}

/**
 * One producer a topic, opened when it is first sent to. NORMAL and DELAY topics (a message of the latter is delivered at
 * once). Not TRANSACTION: a half of a relay would be asked about at whoever publishes halves under the same owner, and the
 * outbox needs no half. Not FIFO: the producer does not send into one.
 */
export const outboxSender = (broker: OutboxBroker): OutboxSender => {
  const producers = new Map<string, Promise<Producer>>();
  let closing: Promise<void> | undefined;

  const open = async (topic: string): Promise<Producer> => {
    const type = (await broker.topicType?.(topic)) ?? 'NORMAL';
    if (type === 'TRANSACTION' || type === 'FIFO')
      throw new ConfigurationError(`topic "${topic}" takes ${type} messages; an outbox sends into NORMAL and DELAY topics`);
    return broker.startProducer({ topic, type });
  };

  return {
    async send(message) {
      if (closing) throw new ClosedError('the outbox sender is closed');
      let producer = producers.get(message.topic);
      if (producer === undefined) {
        producer = open(message.topic);
        producers.set(message.topic, producer);
        // A broker that was away, or a topic that was missing, may be there at the next message.
        producer.catch(() => producers.delete(message.topic));
      }
      return (await producer).send(message);
    },
    close() {
      closing ??= Promise.allSettled(producers.values()).then(async (opened) => {
        await Promise.all(opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value.close()] : [])));
      });
      return closing;
    },
  };
};
