import { defineEntity, p } from '@mikro-orm/core';

/** What happened to a break, who did it and why. Only ever inserted. */
export const ReconciliationBreakActionEntity = defineEntity({
  name: 'ReconciliationBreakAction',
  tableName: 'reconciliation_break_action',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    breakId: p.bigint('number').unsigned(),
    action: p.enum(['FOUND', 'REOPENED', 'RESOLVED', 'ACCEPTED'] as const),
    actor: p.string().length(128),
    at: p.datetime(3),
    why: p.string().length(500),
  },
  indexes: [{ name: 'reconciliation_break_action_break', properties: ['breakId', 'id'] }],
});
