import { randomUUID } from 'node:crypto';
import type { OutgoingMessage } from '../../../src/broker/message.ts';
import type { ClaimedMessage } from '../../../src/outbox/outbox-store.ts';

/** A message under `key`, of a transaction of its own unless `changes` say otherwise. */
export const outboxMessage = (key: string, changes: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  topic: 'orders',
  tag: 'placed',
  keys: [key],
  properties: { 'checkback-tx': randomUUID(), 'checkback-correlation-id': key },
  body: Buffer.from('{}'),
  ...changes,
});

export const keysOf = (claimed: readonly ClaimedMessage[]): string[] => claimed.map(({ message }) => message.keys[0]!);
