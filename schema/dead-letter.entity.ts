import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** A message nobody could work, kept whole until somebody decides. One row per (topic, consumer group, message). */
export const DeadLetterEntity = defineEntity({
  name: 'DeadLetter',
  tableName: 'dead_letter',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    topic: p.string().length(255),
    consumerGroup: p.string().length(255),
    /** Hexadecimal SHA-256 of what makes two deliveries the same message. */
    identity: p.string().length(64),
    listener: p.string().length(100).nullable(),
    messageId: p.string().length(255),
    tag: p.text(),
    /** JSON: an array of strings. */
    messageKeys: p.text().length(16_777_215),
    /** JSON: an object of strings. */
    properties: p.text().length(16_777_215),
    /** The bytes as they came; they may hold secrets. */
    body: p.blob().length(4_294_967_295),
    bodySha256: p.blob().length(32).columnType('binary(32)'),
    bornAt: p.datetime(3).nullable(),
    reason: p.enum(['POISON', 'RETRIES_EXHAUSTED', 'BROKER_LIMIT'] as const),
    reasonText: p.string().length(1_000),
    /** JSON: an array of { name, code, message }, outermost first, masked. */
    errorChain: p.text(),
    deliveryAttempts: p.integer().unsigned(),
    deaths: p.integer().unsigned().default(1),
    firstFailedAt: p.datetime(3),
    lastFailedAt: p.datetime(3),
    callName: p.string().length(100).nullable(),
    idempotencyKey: p.string().length(128).nullable(),
    /** Follows one order through everything; the message's id where the message names none. */
    correlationId: p.string().length(128).nullable(),
    /** Moves only as src/dead-letter/dead-letter-state.ts allows. */
    state: p.enum(['OPEN', 'REPLAYING', 'REPLAYED', 'DISCARDED', 'RESOLVED'] as const).default('OPEN'),
    replays: p.integer().unsigned().default(0),
    /** Fence of the replay in progress; null otherwise. */
    leaseOwner: p.string().length(36).nullable(),
    leaseUntil: p.datetime(3).nullable(),
    decidedBy: p.string().length(128).nullable(),
    decidedAt: p.datetime(3).nullable(),
    decisionReason: p.string().length(1_000).nullable(),
  },
  indexes: [
    { name: 'dead_letter_state', properties: ['state', 'id'] },
    { name: 'dead_letter_call', properties: ['callName', 'idempotencyKey'] },
    { name: 'dead_letter_correlation', properties: ['correlationId', 'id'] },
  ],
  uniques: [{ name: 'dead_letter_message', properties: ['topic', 'consumerGroup', 'identity'] }],
});

export type DeadLetterRow = InferEntity<typeof DeadLetterEntity>;
