import { describe, expect, it } from 'vitest';
import { BrokerError, ClosedError, ConfigurationError } from '../../src/errors.ts';
import { type OutboxBroker, outboxSender } from '../../src/outbox/outbox-sender.ts';
import { outboxMessage } from './support/messages.ts';

const scripted = (types: Record<string, 'NORMAL' | 'DELAY' | 'TRANSACTION' | 'FIFO'>) => {
  const story: string[] = [];
  const broker: OutboxBroker & { isAway: boolean } = {
    isAway: false,
    async topicType(topic) {
      if (broker.isAway) throw new BrokerError('nobody answers', { retryable: true });
      const { [topic]: type } = types;
      if (type === undefined) throw new ConfigurationError(`there is no topic "${topic}"`);
      return type;
    },
    async startProducer({ topic, type }) {
      story.push(`open ${topic} as ${type}`);
      return {
        send: async () => {
          story.push(`send ${topic}`);
          return { messageId: 'm' };
        },
        close: async () => void story.push(`close ${topic}`),
      };
    },
  };
  return { broker, story };
};

describe('outboxSender', () => {
  it('opens one producer a topic, when it is first sent to, and closes them', async () => {
    const { broker, story } = scripted({ a: 'NORMAL', b: 'DELAY' });
    const sender = outboxSender(broker);
    await Promise.all([sender.send(outboxMessage('k', { topic: 'a' })), sender.send(outboxMessage('k', { topic: 'a' }))]);
    await sender.send(outboxMessage('k', { topic: 'b' }));
    await sender.close();
    await sender.close();
    expect(story).toEqual(['open a as NORMAL', 'send a', 'send a', 'open b as DELAY', 'send b', 'close a', 'close b']);
    await expect(sender.send(outboxMessage('k', { topic: 'a' }))).rejects.toBeInstanceOf(ClosedError);
  });

  it('asks again about a topic whose broker was away', async () => {
    const { broker, story } = scripted({ a: 'NORMAL' });
    const sender = outboxSender(broker);
    broker.isAway = true;
    await expect(sender.send(outboxMessage('k', { topic: 'a' }))).rejects.toBeInstanceOf(BrokerError);
    broker.isAway = false;
    await sender.send(outboxMessage('k', { topic: 'a' }));
    expect(story).toContain('send a');
  });

  it.each(['TRANSACTION', 'FIFO'] as const)('refuses a topic that takes %s messages', async (type) => {
    const sender = outboxSender(scripted({ a: type }).broker);
    await expect(sender.send(outboxMessage('k', { topic: 'a' }))).rejects.toThrow(
      `topic "a" takes ${type} messages; an outbox sends into NORMAL and DELAY topics`,
    );
  });
});
