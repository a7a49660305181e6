import { BinlogPositionEntity } from './binlog-position.entity.ts';
import { DeadLetterActionEntity } from './dead-letter-action.entity.ts';
import { DeadLetterEntity } from './dead-letter.entity.ts';
import { ExternalCallAttemptEntity } from './external-call-attempt.entity.ts';
import { ExternalCallResponseEntity } from './external-call-response.entity.ts';
import { ExternalCallEntity } from './external-call.entity.ts';
import { Migration20260101000100ExternalCall } from './migrations/migration-20260101000100-external-call.ts';
import { Migration20260101000200TransactionMarker } from './migrations/migration-20260101000200-transaction-marker.ts';
import { Migration20260101000300StatusCheck } from './migrations/migration-20260101000300-status-check.ts';
import { Migration20260101000400DeadLetter } from './migrations/migration-20260101000400-dead-letter.ts';
import { Migration20260101000500ProcessedMessage } from './migrations/migration-20260101000500-processed-message.ts';
import { Migration20260101000600Saga } from './migrations/migration-20260101000600-saga.ts';
import { Migration20260101000700WorkerHeartbeat } from './migrations/migration-20260101000700-worker-heartbeat.ts';
import { Migration20260101000800Reconciliation } from './migrations/migration-20260101000800-reconciliation.ts';
import { Migration20260101001000ParkedHalfRescue } from './migrations/migration-20260101001000-parked-half-rescue.ts';
import { Migration20260101001100OutboxMessage } from './migrations/migration-20260101001100-outbox-message.ts';
import { Migration20260101001200OpsIndexes } from './migrations/migration-20260101001200-ops-indexes.ts';
import { Migration20260101001300BinlogPosition } from './migrations/migration-20260101001300-binlog-position.ts';
import { Migration20260101001400SagaTrace } from './migrations/migration-20260101001400-saga-trace.ts';
import { OutboxMessageEntity } from './outbox-message.entity.ts';
import { ParkedHalfRescueEntity } from './parked-half-rescue.entity.ts';
import { Migration20260101000900ReconciliationBreak } from './migrations/migration-20260101000900-reconciliation-break.ts';
import { ProcessedMessageEntity } from './processed-message.entity.ts';
import { ReconciliationItemEntity } from './reconciliation-item.entity.ts';
import { ReconciliationRunEntity } from './reconciliation-run.entity.ts';
import { ReconciliationBreakActionEntity } from './reconciliation-break-action.entity.ts';
import { ReconciliationBreakEntity } from './reconciliation-break.entity.ts';
import { SagaDecisionEntity } from './saga-decision.entity.ts';
import { SagaInstanceEntity } from './saga-instance.entity.ts';
import { SagaStepEntity } from './saga-step.entity.ts';
import { StatementRunEntity } from './statement-run.entity.ts';
import { StatusCheckEntity } from './status-check.entity.ts';
import { TransactionMarkerEntity } from './transaction-marker.entity.ts';
import { WorkerHeartbeatEntity } from './worker-heartbeat.entity.ts';

/** Tables the engine needs in the business's database. */
export const ENGINE_ENTITIES = [
  ExternalCallEntity,
  ExternalCallAttemptEntity,
  ExternalCallResponseEntity,
  TransactionMarkerEntity,
  StatusCheckEntity,
  DeadLetterEntity,
  DeadLetterActionEntity,
  ProcessedMessageEntity,
  SagaInstanceEntity,
  SagaStepEntity,
  SagaDecisionEntity,
  WorkerHeartbeatEntity,
  StatementRunEntity,
  ReconciliationBreakEntity,
  ReconciliationBreakActionEntity,
  ReconciliationRunEntity,
  ReconciliationItemEntity,
  ParkedHalfRescueEntity,
  OutboxMessageEntity,
  BinlogPositionEntity,
];

/** Their migrations, oldest first; run by `checkback migrate` together with the business's own. */
export const ENGINE_MIGRATIONS = [
  Migration20260101000100ExternalCall,
  Migration20260101000200TransactionMarker,
  Migration20260101000300StatusCheck,
  Migration20260101000400DeadLetter,
  Migration20260101000500ProcessedMessage,
  Migration20260101000600Saga,
  Migration20260101000700WorkerHeartbeat,
  Migration20260101000800Reconciliation,
  Migration20260101000900ReconciliationBreak,
  Migration20260101001000ParkedHalfRescue,
  Migration20260101001100OutboxMessage,
  Migration20260101001200OpsIndexes,
  Migration20260101001300BinlogPosition,
  Migration20260101001400SagaTrace,
];
