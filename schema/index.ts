// The worked example's table.
export { type Order, OrderEntity } from './order.entity.ts';
export { Migration20260101000000Orders } from './migrations/migration-20260101000000-orders.ts';

// The engine's own tables.
export { type ExternalCallRow, ExternalCallEntity } from './external-call.entity.ts';
export { type ExternalCallAttemptRow, ExternalCallAttemptEntity } from './external-call-attempt.entity.ts';
export { type ExternalCallResponseRow, ExternalCallResponseEntity } from './external-call-response.entity.ts';
export { TransactionMarkerEntity } from './transaction-marker.entity.ts';
export { type StatusCheckRow, StatusCheckEntity } from './status-check.entity.ts';
export { type DeadLetterRow, DeadLetterEntity } from './dead-letter.entity.ts';
export { type DeadLetterActionRow, DeadLetterActionEntity } from './dead-letter-action.entity.ts';
export { type ProcessedMessageRow, ProcessedMessageEntity } from './processed-message.entity.ts';
export { type SagaInstanceRow, SagaInstanceEntity } from './saga-instance.entity.ts';
export { type SagaStepRow, SagaStepEntity } from './saga-step.entity.ts';
export { type SagaDecisionRow, SagaDecisionEntity } from './saga-decision.entity.ts';
export { type WorkerHeartbeatRow, WorkerHeartbeatEntity } from './worker-heartbeat.entity.ts';
export { type ReconciliationRunRow, ReconciliationRunEntity } from './reconciliation-run.entity.ts';
export { type ReconciliationItemRow, ReconciliationItemEntity } from './reconciliation-item.entity.ts';
export { type ParkedHalfRescueRow, ParkedHalfRescueEntity } from './parked-half-rescue.entity.ts';
export { type StatementRunRow, StatementRunEntity } from './statement-run.entity.ts';
export { type ReconciliationBreakRow, ReconciliationBreakEntity } from './reconciliation-break.entity.ts';
export { ReconciliationBreakActionEntity } from './reconciliation-break-action.entity.ts';
export { type BinlogPositionRow, BinlogPositionEntity } from './binlog-position.entity.ts';
export { type OutboxMessageRow, OutboxMessageEntity } from './outbox-message.entity.ts';
export { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from './engine.ts';
