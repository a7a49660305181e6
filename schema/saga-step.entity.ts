import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** One direction of one step of a saga. What was called for it is in `external_call`, under the key made of saga and step. */
export const SagaStepEntity = defineEntity({
  name: 'SagaStep',
  tableName: 'saga_step',
  properties: {
    sagaId: p.string().length(64).primary(),
    step: p.smallint().unsigned().primary(),
    direction: p.enum(['action', 'compensation'] as const).primary(),
    name: p.string().length(24),
    /** Moves only as src/saga/step-status.ts allows. */
    status: p.enum(['RUNNING', 'WAITING', 'UNKNOWN', 'DONE', 'FAILED'] as const),
    attempts: p.integer().unsigned().default(0),
    failures: p.integer().unsigned().default(0),
    /** Part of the idempotency key from 2 on. */
    round: p.smallint().unsigned().default(1),
    asked: p.integer().unsigned().default(0),
    unknownSince: p.datetime(3).nullable(),
    /** JSON. */
    result: p.text().length(16_777_215).nullable(),
    error: p.string().length(1_000).nullable(),
    startedAt: p.datetime(3),
    updatedAt: p.datetime(3),
  },
});

export type SagaStepRow = InferEntity<typeof SagaStepEntity>;
