import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** One row per (message listener, idempotency key) whose effect on our rows has been committed; purged by age. */
export const ProcessedMessageEntity = defineEntity({
  name: 'ProcessedMessage',
  tableName: 'processed_message',
  primaryKeys: ['listener', 'idempotencyKey'],
  properties: {
    listener: p.string().length(100).primary(),
    idempotencyKey: p.string().length(128).primary(),
    processedAt: p.datetime(3),
  },
  indexes: [{ name: 'processed_message_age', properties: ['processedAt'] }],
});

export type ProcessedMessageRow = InferEntity<typeof ProcessedMessageEntity>;
