import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** Who did what to a dead letter, when and why. Only ever inserted. */
export const DeadLetterActionEntity = defineEntity({
  name: 'DeadLetterAction',
  tableName: 'dead_letter_action',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    deadLetterId: p.bigint('number').unsigned(),
    action: p.string().length(32),
    actor: p.string().length(128),
    at: p.datetime(3),
    why: p.string().length(1_000).nullable(),
  },
  indexes: [{ name: 'dead_letter_action_letter', properties: ['deadLetterId', 'id'] }],
});

export type DeadLetterActionRow = InferEntity<typeof DeadLetterActionEntity>;
