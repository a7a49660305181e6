import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** A saga: one business process over several institutions, forward step by step and back by compensations. */
export const SagaInstanceEntity = defineEntity({
  name: 'SagaInstance',
  tableName: 'saga_instance',
  properties: {
    id: p.string().length(64).primary(),
    saga: p.string().length(64),
    version: p.smallint().unsigned(),
    /** Of the definition it was started with; no other runs it. */
    fingerprint: p.string().length(16),
    /** JSON with sorted keys. */
    input: p.text().length(16_777_215),
    correlationId: p.string().length(128),
    /** W3C trace context of the message that started it. */
    traceparent: p.string().length(55).nullable(),
    /** Moves only as src/saga/saga-status.ts allows. */
    status: p.enum(['RUNNING', 'COMPENSATING', 'PARKED', 'COMPLETED', 'COMPENSATED', 'ABANDONED'] as const).default('RUNNING'),
    /** Position of the step that is next, or that it stopped at; from 0. */
    step: p.smallint().unsigned().default(0),
    direction: p.enum(['action', 'compensation'] as const).default('action'),
    revision: p.integer().unsigned().default(0),
    /** Fence of the runner that has it. */
    leaseOwner: p.string().length(36).nullable(),
    /** When a runner may take it: the end of a pause, or of the lease. Null when there is nothing to run. */
    nextRunAt: p.datetime(3).nullable(),
    error: p.string().length(1_000).nullable(),
    createdAt: p.datetime(3),
    updatedAt: p.datetime(3),
    endedAt: p.datetime(3).nullable(),
  },
  indexes: [
    { name: 'saga_instance_due', properties: ['nextRunAt'] },
    { name: 'saga_instance_status', properties: ['status', 'updatedAt'] },
    { name: 'saga_instance_correlation', properties: ['correlationId'] },
  ],
});

export type SagaInstanceRow = InferEntity<typeof SagaInstanceEntity>;
