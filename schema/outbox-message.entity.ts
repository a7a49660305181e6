import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** A message that was written in a business transaction, until it is sent and a while longer. */
export const OutboxMessageEntity = defineEntity({
  name: 'OutboxMessage',
  tableName: 'outbox_message',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    transactionId: p.string().length(36),
    /** Its place among the messages of the transaction, from 0. */
    seq: p.smallint().unsigned(),
    /** Topic and first key, hashed: messages of one lane are sent in the order of their ids. None for a message without keys. */
    lane: p.string().length(32).nullable(),
    topic: p.string().length(255),
    tag: p.string().length(255),
    messageKeys: p.text(),
    properties: p.text(),
    body: p.blob(),
    /** Moves only as src/outbox/outbox-state.ts allows. */
    state: p.enum(['WAITING', 'SENT', 'PARKED', 'DISCARDED'] as const),
    /** WAITING: when a relay may take it, which is also the end of a lease. SENT and DISCARDED: when it may be deleted. */
    dueAt: p.datetime(3),
    attempts: p.integer().unsigned().default(0),
    leaseOwner: p.string().length(100).nullable(),
    fence: p.string().length(36).nullable(),
    lastError: p.string().length(1000).nullable(),
    decidedBy: p.string().length(500).nullable(),
    createdAt: p.datetime(3),
    updatedAt: p.datetime(3),
  },
  indexes: [
    { name: 'outbox_message_due', properties: ['state', 'dueAt', 'id'] },
    { name: 'outbox_message_lane', properties: ['lane', 'state', 'id'] },
  ],
  uniques: [{ name: 'outbox_message_transaction', properties: ['transactionId', 'seq'] }],
});

export type OutboxMessageRow = InferEntity<typeof OutboxMessageEntity>;
