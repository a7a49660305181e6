import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** What a reconciliation run says of one call; removed some time after the run. */
export const ReconciliationItemEntity = defineEntity({
  name: 'ReconciliationItem',
  tableName: 'reconciliation_item',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    runId: p.bigint('number').unsigned(),
    callName: p.string().length(100),
    idempotencyKey: p.string().length(128),
    openSince: p.datetime(3).nullable(),
    /** One of src/reconciliation/verdict.ts; null while it is worked on. */
    verdict: p.string().length(24).nullable(),
    why: p.string().length(500).nullable(),
    updatedAt: p.datetime(3),
  },
  indexes: [
    { name: 'reconciliation_item_verdict', properties: ['runId', 'verdict', 'id'] },
    { name: 'reconciliation_item_key', properties: ['callName', 'idempotencyKey', 'verdict'] },
  ],
  uniques: [{ name: 'reconciliation_item_once', properties: ['runId', 'callName', 'idempotencyKey'] }],
});

export type ReconciliationItemRow = InferEntity<typeof ReconciliationItemEntity>;
