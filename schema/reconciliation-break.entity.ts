import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** A difference between an institution's statement and our rows. */
export const ReconciliationBreakEntity = defineEntity({
  name: 'ReconciliationBreak',
  tableName: 'reconciliation_break',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    statement: p.string().length(100),
    callName: p.string().length(100),
    day: p.string().length(10),
    /** The call's idempotency key. */
    reference: p.string().length(128),
    kind: p.enum(['MISSING_THERE', 'MISSING_HERE', 'AMOUNT_DIFFERS', 'STATUS_DIFFERS', 'DUPLICATE_THERE'] as const),
    /** Tells duplicates apart, from 1; 0 for the other kinds. */
    occurrence: p.integer().unsigned(),
    theirLine: p.bigint('number').unsigned().nullable(),
    /** Integer minor units, as ours. */
    theirAmountMinor: p.bigint('bigint').nullable(),
    theirCurrency: p.string().length(3).nullable(),
    theirStatus: p.enum(['SUCCESS', 'FAIL', 'PENDING'] as const).nullable(),
    theirBookedAt: p.datetime(3).nullable(),
    ourAmountMinor: p.bigint('bigint').nullable(),
    ourCurrency: p.string().length(3).nullable(),
    ourStatus: p.enum(['PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN'] as const).nullable(),
    /** Moves only as src/reconciliation/statement/break-state.ts allows. */
    state: p.enum(['OPEN', 'RESOLVED', 'ACCEPTED'] as const).default('OPEN'),
    isLate: p.boolean().default(false),
    decidedThrough: p.enum(['policy', 'statement', 'person'] as const).nullable(),
    decidedBy: p.string().length(128).nullable(),
    decidedAt: p.datetime(3).nullable(),
    decisionReason: p.string().length(500).nullable(),
    /** The run that found it to be gone. */
    resolvedRun: p.bigint('number').unsigned().nullable(),
    lastRun: p.bigint('number').unsigned(),
    lastPass: p.integer().unsigned(),
    foundAt: p.datetime(3),
  },
  indexes: [
    { name: 'reconciliation_break_reference', properties: ['statement', 'reference'] },
    { name: 'reconciliation_break_any_statement', properties: ['reference'] },
    { name: 'reconciliation_break_state', properties: ['state', 'id'] },
    { name: 'reconciliation_break_run', properties: ['lastRun', 'id'] },
    { name: 'reconciliation_break_resolved', properties: ['resolvedRun'] },
  ],
  uniques: [{ name: 'reconciliation_break_key', properties: ['statement', 'day', 'reference', 'kind', 'occurrence'] }],
});

export type ReconciliationBreakRow = InferEntity<typeof ReconciliationBreakEntity>;
