import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** A worker process as it last described itself; for people and metrics, never for a decision. */
export const WorkerHeartbeatEntity = defineEntity({
  name: 'WorkerHeartbeat',
  tableName: 'worker_heartbeat',
  properties: {
    /** Of the process: another one of the same host and pid has another. */
    workerId: p.string().length(36).primary(),
    owner: p.string().length(64),
    host: p.string().length(255),
    pid: p.integer().unsigned(),
    startedAt: p.datetime(3),
    seenAt: p.datetime(3),
    /** JSON: `WorkerReport`. */
    report: p.text(),
  },
  indexes: [{ name: 'worker_heartbeat_seen', properties: ['seenAt'] }],
});

export type WorkerHeartbeatRow = InferEntity<typeof WorkerHeartbeatEntity>;
