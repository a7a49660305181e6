import { describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import type { CheckBack } from '../../src/broker/transactional-producer.ts';
import { openReplaySender, type ReplayBroker, type TopicType } from '../../src/dead-letter/replay-sender.ts';
import { ManualClock, settled } from '../worker/support/manual-clock.ts';

const message = (identity: string, properties: Record<string, string> = {}): OutgoingMessage => ({
  topic: 'orders',
  tag: 'placed',
  keys: [],
  properties: { 'checkback-tx': `tx-${identity}`, 'checkback-owner': 'shop', 'checkback-replay': identity, ...properties },
  body: Buffer.from('{}'),
});

const scene = (type: TopicType, { failEnd = false, endTimeoutMs = 60_000 } = {}) => {
  const story: string[] = [];
  const clock = new ManualClock();
  let checkBack: CheckBack | undefined;
  const broker: ReplayBroker = {
    topicType: async (topic) => {
      story.push(`type of ${topic}?`);
      return type;
    },
    startProducer: async (options) => {
      story.push(`producer ${options.type}`);
      return { send: async () => (story.push('send'), { messageId: 'm' }), close: async () => void story.push('closed') };
    },
    startTransactionalProducer: async (options) => {
      story.push('transactional producer');
      checkBack = options.checkBack;
      return {
        sendHalf: async () => {
          story.push('half');
          return {
            messageId: 'm',
            end: async (resolution) => {
              story.push(`END ${resolution}`);
              if (failEnd) throw new Error('proxy is gone');
            },
          };
        },
        close: async () => void story.push('closed'),
      };
    },
  };
  const ask = (half: OutgoingMessage) => checkBack!({ ...half, messageId: 'm', round: 1, bornAt: undefined }, new AbortController().signal);
  const sender = openReplaySender(broker, { endTimeoutMs, settleMs: 2_000 }, clock);
  return { ask, clock, sender, story };
};

describe('A replay', () => {
  it.each(['NORMAL', 'DELAY'] as const)('into a %s topic is an ordinary message', async (type) => {
    const { sender, story } = scene(type);
    await sender.send(message('a'));
    await sender.send(message('b'));
    await sender.close();
    expect(story).toEqual(['type of orders?', `producer ${type}`, 'send', 'send', 'closed']);
  });

  it('into a TRANSACTION topic is a half and its COMMIT, and its producer stays a while', async () => {
    const { clock, sender, story } = scene('TRANSACTION');
    await sender.send(message('a'));
    const closing = sender.close();
    await settled();
    expect(story).toEqual(['type of orders?', 'transactional producer', 'half', 'END COMMIT']);
    await clock.advance(2_000);
    await closing;
    expect(story.at(-1)).toBe('closed');
  });

  it('answers COMMIT to the check-back of its own half and UNKNOWN to any other', async () => {
    const { ask, sender } = scene('TRANSACTION');
    await sender.send(message('a'));
    expect(await ask(message('a'))).toBe('COMMIT');
    expect(await ask(message('b'))).toBe('UNKNOWN');
    expect(await ask(message('a', { 'checkback-tx': 'another' }))).toBe('UNKNOWN');
    expect(await ask({ ...message('a'), properties: { 'checkback-tx': 'tx-a' } })).toBe('UNKNOWN');
  });

  it('whose COMMIT was not confirmed waits for its check-back', async () => {
    const { ask, sender, story } = scene('TRANSACTION', { failEnd: true });
    const sending = sender.send(message('a'));
    await settled();
    expect(story.at(-1)).toBe('END COMMIT');
    expect(await ask(message('a'))).toBe('COMMIT');
    await expect(sending).resolves.toBeUndefined();
  });

  it('whose COMMIT was not confirmed and that nobody asked about has failed, perhaps', async () => {
    const { sender } = scene('TRANSACTION', { failEnd: true, endTimeoutMs: 1 });
    await expect(sender.send(message('a'))).rejects.toMatchObject({ code: 'CB_BROKER', acted: 'maybe' });
  });

  it('into a FIFO topic is refused: it would come out of its order', async () => {
    const { sender, story } = scene('FIFO');
    await expect(sender.send(message('a'))).rejects.toMatchObject({ code: 'CB_CONFIGURATION' });
    expect(story).toEqual(['type of orders?']);
  });

  it('is possible again after a broker that was away', async () => {
    let isAway = true;
    const { sender } = scene('NORMAL');
    const broken = openReplaySender({
      topicType: async () => {
        if (isAway) throw new Error('away');
        return 'NORMAL';
      },
      startProducer: async () => ({ send: async () => ({ messageId: 'm' }), close: async () => {} }),
      startTransactionalProducer: async () => Promise.reject(new Error('not this')),
    });
    await expect(broken.send(message('a'))).rejects.toThrow('away');
    isAway = false;
    await expect(broken.send(message('a'))).resolves.toBeUndefined();
    await Promise.all([broken.close(), sender.close()]);
  });

  it('is not taken any more after close', async () => {
    const { sender } = scene('NORMAL');
    await sender.close();
    await expect(sender.send(message('a'))).rejects.toMatchObject({ code: 'CB_CLOSED' });
  });

  it('refuses a time that is none', () => {
    const { sender } = scene('NORMAL');
    expect(() => openReplaySender({} as ReplayBroker, { settleMs: -1 })).toThrow('settleMs must be a whole number of at least 0, it is -1');
    return sender.close();
  });
});
