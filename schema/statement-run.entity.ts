import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** A comparison of one statement of an institution with our rows of its day. */
export const StatementRunEntity = defineEntity({
  name: 'StatementRun',
  tableName: 'statement_run',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    statement: p.string().length(100),
    callName: p.string().length(100),
    /** `YYYY-MM-DD` */
    day: p.string().length(10),
    /** Of the statement's bytes, in hexadecimal. */
    sha256: p.string().length(64),
    source: p.string().length(255),
    since: p.datetime(3).nullable(),
    status: p.enum(['RUNNING', 'DONE'] as const).default('RUNNING'),
    /** Grows with every process that takes it up. */
    pass: p.integer().unsigned().default(1),
    theirLines: p.bigint('number').unsigned(),
    ourRows: p.bigint('number').unsigned(),
    truncatedAt: p.bigint('number').unsigned().nullable(),
    startedAt: p.datetime(3),
    finishedAt: p.datetime(3).nullable(),
  },
  indexes: [{ name: 'statement_run_day', properties: ['statement', 'day', 'status'] }],
});

export type StatementRunRow = InferEntity<typeof StatementRunEntity>;
