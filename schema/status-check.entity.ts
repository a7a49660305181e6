import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** A call whose outcome became unknown, with the message it came from, until its end is found. One row per external call. */
export const StatusCheckEntity = defineEntity({
  name: 'StatusCheck',
  tableName: 'status_check',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    callName: p.string().length(100),
    idempotencyKey: p.string().length(128),
    listener: p.string().length(100),
    correlationId: p.string().length(128),
    /** The message as it was delivered. */
    topic: p.string().length(255),
    tag: p.string().length(255),
    messageKeys: p.text(),
    properties: p.text(),
    body: p.blob(),
    messageId: p.string().length(255),
    deliveryAttempt: p.integer().unsigned(),
    bornAt: p.datetime(3).nullable(),
    /** Moves only as src/status-check/status-check-state.ts allows. */
    state: p.enum(['DUE', 'RETRY', 'REVIEW', 'DONE'] as const),
    unknownSince: p.datetime(3),
    checks: p.integer().unsigned().default(0),
    claims: p.integer().unsigned().default(0),
    nextCheckAt: p.datetime(3),
    leaseOwner: p.string().length(36).nullable(),
    leaseUntil: p.datetime(3).nullable(),
    lastSaid: p.enum(['SUCCESS', 'FAIL', 'ABSENT', 'NONE'] as const).nullable(),
    lastErrorCode: p.string().length(40).nullable(),
    outcome: p.enum(['SUCCESS', 'FAIL'] as const).nullable(),
    /** The person who decided, if one did. */
    decidedBy: p.string().length(500).nullable(),
    decisionReason: p.string().length(500).nullable(),
    doneAt: p.datetime(3).nullable(),
    createdAt: p.datetime(3),
    updatedAt: p.datetime(3),
  },
  indexes: [
    { name: 'status_check_due', properties: ['state', 'nextCheckAt', 'id'] },
    { name: 'status_check_age', properties: ['state', 'unknownSince'] },
    { name: 'status_check_correlation', properties: ['correlationId'] },
  ],
  uniques: [{ name: 'status_check_key', properties: ['callName', 'idempotencyKey'] }],
});

export type StatusCheckRow = InferEntity<typeof StatusCheckEntity>;
