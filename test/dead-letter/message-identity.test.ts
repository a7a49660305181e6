import { describe, expect, it } from 'vitest';
import { isReplay, messageIdentity, REPLAY_PROPERTY } from '../../src/dead-letter/message-identity.ts';
import { received } from './support/messages.ts';

describe('The identity of a message', () => {
  it('is that of its transaction, whatever id the broker gave it', () => {
    expect(messageIdentity(received({ messageId: 'm2', deliveryAttempt: 3, bornAt: undefined }))).toBe(messageIdentity(received()));
  });

  it.each([
    ['transaction', { properties: { ...received().properties, 'checkback-tx': 'tx-2' } }],
    ['listener', { properties: { ...received().properties, 'checkback-listener': 'other' } }],
    ['tag, for one decision may send several', { tag: 'invoiced' }],
    ['keys', { keys: [] }],
    ['body', { body: Buffer.from('{}') }],
  ])('changes with its %s', (_what, change) => {
    expect(messageIdentity(received(change))).not.toBe(messageIdentity(received()));
  });

  it('is its id and birth where there is no transaction, since two containers can make the same id', () => {
    const plain = received({ properties: {} });
    expect(messageIdentity({ ...plain, tag: 'other' })).toBe(messageIdentity(plain));
    expect(messageIdentity({ ...plain, messageId: 'm2' })).not.toBe(messageIdentity(plain));
    expect(messageIdentity({ ...plain, bornAt: new Date(1) })).not.toBe(messageIdentity(plain));
  });

  it('survives a replay', () => {
    const identity = messageIdentity(received({ properties: {} }));
    const replayed = received({ messageId: 'm9', properties: { [REPLAY_PROPERTY]: identity } });
    expect(isReplay(replayed)).toBe(true);
    expect(messageIdentity(replayed)).toBe(identity);
  });

  it('takes nothing else for the mark of a replay', () => {
    expect(isReplay(received({ properties: { [REPLAY_PROPERTY]: '42' } }))).toBe(false);
  });
});
