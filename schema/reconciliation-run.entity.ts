import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** One reconciliation run: how far it has come and, once it is DONE, what it found in all. */
export const ReconciliationRunEntity = defineEntity({
  name: 'ReconciliationRun',
  tableName: 'reconciliation_run',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    kind: p.enum(['open', 'delivery'] as const),
    /** Of the message source; empty for open calls. */
    name: p.string().length(100),
    /** JSON: what narrows the run down. Only a run of the same scope takes up one that was killed. */
    scope: p.string().length(255),
    /** The moment its schedule meant. */
    tick: p.string().length(40).nullable(),
    /** Moves only as src/reconciliation/run-status.ts allows. */
    status: p.enum(['RUNNING', 'DONE', 'ABANDONED'] as const),
    /** Where it goes on after it was killed; JSON. */
    position: p.text().nullable(),
    looked: p.bigint('number').unsigned().default(0),
    /** JSON: how many items have which verdict. */
    totals: p.text().nullable(),
    sinceAt: p.datetime(3).nullable(),
    startedAt: p.datetime(3),
    finishedAt: p.datetime(3).nullable(),
    updatedAt: p.datetime(3),
  },
  indexes: [
    { name: 'reconciliation_run_unfinished', properties: ['status', 'kind', 'name', 'id'] },
    { name: 'reconciliation_run_tick', properties: ['kind', 'name', 'tick'] },
  ],
});

export type ReconciliationRunRow = InferEntity<typeof ReconciliationRunEntity>;
