import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** Response snapshot: evidence of what came of an attempt, connection failures included. Only ever inserted. */
export const ExternalCallResponseEntity = defineEntity({
  name: 'ExternalCallResponse',
  tableName: 'external_call_response',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    callId: p.bigint('number').unsigned(),
    attempt: p.integer().unsigned(),
    /** What this attempt made of its call. */
    status: p.enum(['PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN'] as const),
    httpStatus: p.smallint().unsigned().nullable(),
    headers: p.text().length(16_777_215).nullable(),
    bodyState: p.enum(['RAW', 'MASKED', 'WITHHELD'] as const).nullable(),
    body: p.blob().length(16_777_215).nullable(),
    bodyBytes: p.integer().unsigned().nullable(),
    bodySha256: p.blob().length(32).columnType('binary(32)').nullable(),
    isTruncated: p.boolean().default(false),
    failedPhase: p.enum(['connect', 'write', 'read'] as const).nullable(),
    connectMs: p.double(),
    writeMs: p.double().nullable(),
    headersMs: p.double().nullable(),
    bodyMs: p.double().nullable(),
    totalMs: p.double(),
    remoteAddress: p.string().length(45).nullable(),
    errorCode: p.string().length(40).nullable(),
    /** JSON: an array of { name, code, message }, outermost first. */
    errorChain: p.text().nullable(),
    closedAt: p.datetime(3),
  },
  indexes: [{ name: 'external_call_response_closed', properties: ['closedAt', 'status'] }],
  uniques: [{ name: 'external_call_response_number', properties: ['callId', 'attempt'] }],
});

export type ExternalCallResponseRow = InferEntity<typeof ExternalCallResponseEntity>;
