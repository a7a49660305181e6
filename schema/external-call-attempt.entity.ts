import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** Request record: evidence of what was about to be sent, committed before the first byte left. Only ever inserted. */
export const ExternalCallAttemptEntity = defineEntity({
  name: 'ExternalCallAttempt',
  tableName: 'external_call_attempt',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    callId: p.bigint('number').unsigned(),
    /** 1 for the first. */
    attempt: p.integer().unsigned(),
    correlationId: p.string().length(128),
    origin: p.string().length(100),
    method: p.string().length(8),
    path: p.string().length(2048),
    /** JSON: an array of [name, value]. */
    headers: p.text().length(16_777_215),
    bodyState: p.enum(['RAW', 'MASKED', 'WITHHELD'] as const).nullable(),
    body: p.blob().length(16_777_215).nullable(),
    /** Of the raw bytes, whatever was stored of them. */
    bodyBytes: p.integer().unsigned().nullable(),
    bodySha256: p.blob().length(32).columnType('binary(32)').nullable(),
    openedAt: p.datetime(3),
  },
  indexes: [{ name: 'external_call_attempt_opened', properties: ['openedAt'] }],
  uniques: [{ name: 'external_call_attempt_number', properties: ['callId', 'attempt'] }],
});

export type ExternalCallAttemptRow = InferEntity<typeof ExternalCallAttemptEntity>;
