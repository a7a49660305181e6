import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** What a person decided about a parked saga, and why. Only ever inserted. */
export const SagaDecisionEntity = defineEntity({
  name: 'SagaDecision',
  tableName: 'saga_decision',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    sagaId: p.string().length(64),
    kind: p.enum(['retry', 'resume', 'abandon'] as const),
    decidedBy: p.string().length(100),
    why: p.string().length(1_000),
    step: p.smallint().unsigned(),
    direction: p.enum(['action', 'compensation'] as const),
    decidedAt: p.datetime(3),
  },
  indexes: [{ name: 'saga_decision_saga', properties: ['sagaId', 'id'] }],
});

export type SagaDecisionRow = InferEntity<typeof SagaDecisionEntity>;
