import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** The unit of consuming: one row per (call name, idempotency key), however many attempts, deliveries and workers it takes. */
export const ExternalCallEntity = defineEntity({
  name: 'ExternalCall',
  tableName: 'external_call',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    callName: p.string().length(100),
    idempotencyKey: p.string().length(128),
    correlationId: p.string().length(128),
    /** Moves only as src/gateway/call-status.ts allows. */
    status: p.enum(['PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN'] as const).default('PENDING'),
    attempts: p.integer().unsigned().default(0),
    /** Fence of the attempt in progress; null between attempts. */
    leaseOwner: p.string().length(36).nullable(),
    leaseUntil: p.datetime(3).nullable(),
    /** The institution asked not to be called before (Retry-After). */
    notBefore: p.datetime(3).nullable(),
    httpStatus: p.smallint().unsigned().nullable(),
    lastErrorCode: p.string().length(40).nullable(),
    createdAt: p.datetime(3),
    updatedAt: p.datetime(3),
  },
  indexes: [
    { name: 'external_call_status', properties: ['status', 'leaseUntil', 'id'] },
    { name: 'external_call_correlation', properties: ['correlationId', 'id'] },
    { name: 'external_call_name_status', properties: ['callName', 'status', 'id'] },
  ],
  uniques: [{ name: 'external_call_key', properties: ['callName', 'idempotencyKey'] }],
});

export type ExternalCallRow = InferEntity<typeof ExternalCallEntity>;
