import type { OutgoingMessage } from '../../../src/broker/message.ts';

/** A message named by its tag, of the lane of its key. */
export const loggedMessageOf = (tag: string, key = 'k', body: Uint8Array = Buffer.from('{}')): OutgoingMessage => ({
  topic: 'orders',
  tag,
  keys: key === '' ? [] : [key],
  properties: { 'checkback-tx': `tx-${tag}`, 'checkback-correlation-id': `c-${tag}` },
  body,
});
