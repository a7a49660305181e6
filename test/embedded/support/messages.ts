import type { IncomingMessage } from '../../../src/embedded/stored-message.ts';

let made = 0;

export function incoming(content: Partial<IncomingMessage> = {}): IncomingMessage {
  made += 1;
  return {
    topic: 't',
    messageId: `m${made}`,
    tag: '',
    keys: [],
    properties: {},
    body: Buffer.from('{}'),
    isCompressed: false,
    kind: 'NORMAL',
    bornAt: 0,
    bornHost: 'test',
    ...content,
  };
}

export const halfMessage = (content: Partial<IncomingMessage> = {}): IncomingMessage => incoming({ kind: 'TRANSACTION', ...content });
