// Publishing: rows and a message as one decision.
export { commitWith, defineTransactionListener } from './transaction/transaction-listener.ts';
export type {
  AnyTransactionListener,
  CommitWith,
  HalfMode,
  LocalDecision,
  MessageTemplate,
  TransactionContext,
  TransactionListener,
  TransactionListenerBase,
  TransactionListenerDefinition,
} from './transaction/transaction-listener.ts';
export { rowExists, transactionMarker } from './transaction/lookup.ts';
export type { HalfMessageView, Lookup, RowExistsLookup, TransactionMarkerLookup } from './transaction/lookup.ts';
export { TransactionalPublisher } from './transaction/transactional-publisher.ts';
export type { PublishOptions, PublishReceipt } from './transaction/transactional-publisher.ts';
export type { TransactionalPublisherOptions } from './transaction/publisher-options.ts';
export type { Fence, FencedSession, TransactionDatabase } from './transaction/transaction-database.ts';
export { onTransactionEvent } from './transaction/diagnostics.ts';
export type { TransactionDiagnostics } from './transaction/diagnostics.ts';

export type { SqlResult, SqlTransaction, SqlValue } from './transaction/sql-transaction.ts';

// Publishing without a half message: messages as rows, sent by a relay.
export type { TransactionalOutbox } from './transaction/transactional-outbox.ts';
export { mysqlOutbox } from './store/mysql-outbox.ts';
export { mysqlOutboxStore } from './store/mysql-outbox-store.ts';
export { startOutboxRelay } from './outbox/outbox-relay.ts';
export type { OutboxRelay, OutboxRelayStats } from './outbox/outbox-relay.ts';
export type { OutboxRelayLimits, OutboxRelayOptions } from './outbox/outbox-relay-options.ts';
export type { OutboxBacklog, OutboxStore, ParkedLane, ParkedMessage } from './outbox/outbox-store.ts';
export { outboxSender } from './outbox/outbox-sender.ts';
export type { OutboxBroker, OutboxSender } from './outbox/outbox-sender.ts';
export type { CommitSignal } from './outbox/commit-signal.ts';
export { onOutboxEvent } from './outbox/diagnostics.ts';
export type { OutboxDiagnostics, OutboxEvent } from './outbox/diagnostics.ts';

// Publishing by a log on the application's own disk, appended to after COMMIT.
export { segmentedLog } from './segmented-log/segmented-log.ts';
export type { SegmentedLog, SegmentedLogStats } from './segmented-log/segmented-log.ts';
export type { FsyncPolicy, SegmentedLogLimits, SegmentedLogOptions } from './segmented-log/segmented-log-options.ts';
export { startSegmentedLogDrain } from './segmented-log/segmented-log-drain.ts';
export type { SegmentedLogDrain, SegmentedLogDrainStats } from './segmented-log/segmented-log-drain.ts';
export type { SegmentedLogDrainLimits, SegmentedLogDrainOptions } from './segmented-log/drain-options.ts';
export type { DrainSide } from './segmented-log/drain-side.ts';
export type { LogStateKind } from './segmented-log/log-state.ts';
export type { ParkedInLog } from './segmented-log/parked-file.ts';
export { onSegmentedLogEvent } from './segmented-log/diagnostics.ts';
export type { LoggedMessageEvent, SegmentedLogDiagnostics } from './segmented-log/diagnostics.ts';

// Publishing without a table for messages: committed rows become messages, read from the database's binlog.
export { defineRowMessage } from './change-data-capture/row-message.ts';
export type { AnyRowMessage, RowIds, RowMessage, RowMessageDefinition } from './change-data-capture/row-message.ts';
export { mysqlChangeDataCapture } from './store/mysql-change-data-capture.ts';
export type { ChangeDataCapture, ChangeDataCaptureOptions } from './store/mysql-change-data-capture.ts';
export type { CaptureLimits, RefusedMessage } from './change-data-capture/capture-options.ts';
export type { CaptureFrom } from './change-data-capture/change-log.ts';
export type { CaptureStats } from './change-data-capture/capture-reader.ts';
export type { CaptureState } from './change-data-capture/capture-state.ts';
export type { BinlogPoint, StoredPosition } from './change-data-capture/row-change.ts';
export { onCaptureEvent } from './change-data-capture/diagnostics.ts';
export type { CaptureDiagnostics, CaptureMessageEvent } from './change-data-capture/diagnostics.ts';
export { debeziumPayload } from './change-data-capture/debezium/debezium-payload.ts';
export type { DebeziumChange, DebeziumEncoding, DebeziumPayloadOptions } from './change-data-capture/debezium/debezium-payload.ts';

// Consuming: external calls.
export { defineExternalCall } from './gateway/external-call.ts';
export type { CallAnswer, CallMethod, CallRetry, CallTimeouts, ExternalCall, ExternalCallDefinition } from './gateway/external-call.ts';
export type { CallStatus } from './gateway/call-status.ts';
export { createGateway } from './gateway/gateway.ts';
export type { CallOptions, CallOutcome, Gateway } from './gateway/gateway.ts';
export type { FinalOutcome } from './gateway/call-outcome.ts';
export type { GatewayLimits, GatewayOptions } from './gateway/gateway-options.ts';
export type { OriginOptions } from './gateway/origin.ts';
export type { CallLimits, OriginLimits } from './gateway/origin-limits.ts';
export type { CircuitOptions } from './gateway/circuit-options.ts';
export type { CircuitSnapshot } from './gateway/circuit-breaker.ts';
export type { RateOptions } from './gateway/rate-limit.ts';
export type { RetryBudgetOptions } from './gateway/retry-budget.ts';
export type { ExternalCallStore, InTransaction } from './gateway/external-call-store.ts';
export { onGatewayEvent } from './gateway/gateway-events.ts';
export type { GatewayEvents } from './gateway/gateway-events.ts';

// The worker that makes them.
export { defineMessageListener } from './worker/message-listener.ts';
export type {
  AnyListener,
  AnyMessageListener,
  HandlingListener,
  HandlingListenerDefinition,
  ListenerMessage,
  MessageListener,
  MessageListenerDefinition,
  PayloadSchema,
  ProcessingListener,
  ProcessingListenerDefinition,
} from './worker/message-listener.ts';
export { startWorker } from './worker/worker.ts';
export type { DrainResult, Worker } from './worker/worker.ts';
export type { CallingGateway, ConsumedListener, WorkerLimits, WorkerOptions } from './worker/worker-options.ts';
export type { ListenerStats, WorkerStats } from './worker/worker-stats.ts';
export type { Backoff, RetryOptions, RetryPolicy } from './worker/retry-options.ts';
export type { FailureClass } from './worker/failure-class.ts';
export type { DeadLetterSink } from './worker/dead-letter-sink.ts';
export type { UnknownOutcomeSink } from './worker/unknown-outcome-sink.ts';
export type { EndTransactions } from './worker/end-transactions.ts';
export type { ProcessedMessageStore } from './worker/processed-message-store.ts';
export { onWorkerEvent } from './worker/diagnostics.ts';
export type { DeliveryEvent, WorkerDiagnostics } from './worker/diagnostics.ts';

// Unknown outcomes: asked after until they are known.
export { statusCheckCall, statusQuestionKey } from './gateway/status-check-call.ts';
export type { StatusQuestion } from './gateway/status-check-call.ts';
export type { StatusAnswer, StatusCheck, StatusCheckTimes } from './gateway/status-check.ts';
export { keepUnknownOutcomes } from './status-check/keep-unknown-outcome.ts';
export { startStatusChecker } from './status-check/status-checker.ts';
export type { StatusChecker } from './status-check/status-checker.ts';
export type { StatusCheckerLimits, StatusCheckerOptions } from './status-check/status-checker-options.ts';
export type { StatusCheckStore } from './status-check/status-check-store.ts';
export { decideByHand } from './status-check/decide-by-hand.ts';
export type { HandDecision, HandResult } from './status-check/decide-by-hand.ts';
export type { WorkerParts } from './status-check/check-context.ts';
export type { CallInReview, StatusCheckSummary, StatusReport } from './status-check/status-report.ts';
export { onStatusCheckEvent } from './status-check/diagnostics.ts';
export type { StatusCheckDiagnostics } from './status-check/diagnostics.ts';

// Dead letters.
export { deadLetterSink } from './dead-letter/dead-letter-sink.ts';
export { drainBrokerDeadLetters } from './dead-letter/drain-broker-dead-letters.ts';
export { replayDeadLetter } from './dead-letter/replay.ts';
export type { ReplayOptions, ReplayResult } from './dead-letter/replay.ts';
export { openReplaySender } from './dead-letter/replay-sender.ts';
export type { ReplaySender } from './dead-letter/replay-sender.ts';
export { callOf } from './dead-letter/call-of-message.ts';
export { inquireCall } from './dead-letter/call-inquiry.ts';
export type { AskInstitution } from './dead-letter/call-inquiry.ts';
export { discardDeadLetter, resolveDeadLetter } from './dead-letter/decide.ts';
export type { DeadLetter } from './dead-letter/dead-letter.ts';
export type { DeadLetterFilter, DeadLetterStore } from './dead-letter/dead-letter-store.ts';
export { onDeadLetterEvent } from './dead-letter/diagnostics.ts';
export type { DeadLetterDiagnostics } from './dead-letter/diagnostics.ts';

// Sagas.
export { defineSaga } from './saga/define-saga.ts';
export type { AnySaga, CallStep, LocalStep, Saga, SagaState } from './saga/define-saga.ts';
export { startSagaRunner } from './saga/saga-runner.ts';
export type { SagaRunner } from './saga/saga-runner.ts';
export type { SagaRunnerLimits, SagaRunnerOptions } from './saga/saga-runner-options.ts';
export { sagaDecisions } from './saga/saga-decisions.ts';
export type { Decider, FoundOutcome, SagaDecisions } from './saga/saga-decisions.ts';
export type { SagaDecision, SagaStore, SagaSummary } from './saga/saga-store.ts';
export type { SagaInstance } from './saga/saga-instance.ts';
export type { StepRetry } from './saga/step-retry.ts';
export { startSaga, startingSaga } from './store/start-saga.ts';
export type { SagaStart } from './store/start-saga.ts';
export { compensateByPublishing, compensationListener } from './saga/compensate-by-publishing.ts';
export type { Compensation, CompensationDefinition } from './saga/compensate-by-publishing.ts';
export { compensateFailures, compensatingTransactions } from './saga/compensate-failures.ts';
export type { Failure, FailureCompensation } from './saga/compensate-failures.ts';
export { onSagaEvent } from './saga/saga-diagnostics.ts';
export type { SagaDiagnostics } from './saga/saga-diagnostics.ts';

// Reconciliation.
export { defineMessageSource } from './reconciliation/message-source.ts';
export type { AnyMessageSource, DeliveryRule, MessageSource, MessageSourceDefinition } from './reconciliation/message-source.ts';
export { originalMessage } from './reconciliation/original-message.ts';
export type { OriginalIds, OriginalMessage } from './reconciliation/original-message.ts';
export type { ReconciliationLimits } from './reconciliation/reconciliation-options.ts';

// Alerts.
export { startAlerts } from './alerts/start-alerts.ts';
export type { Alerts } from './alerts/start-alerts.ts';
export type { AlertOptions } from './alerts/alert-options.ts';
export type { Alert, AlertKind, AlertSink } from './alerts/alert.ts';
export { logAlertSink } from './alerts/log-alert-sink.ts';
export { webhookAlertSink } from './alerts/webhook-alert-sink.ts';
export type { WebhookOptions } from './alerts/webhook-alert-sink.ts';

// Telemetry, by OpenTelemetry's API alone.
export { startTelemetry } from './telemetry/start-telemetry.ts';
export type { Telemetry, TelemetryOptions } from './telemetry/start-telemetry.ts';
export type { StateReading, StateSource } from './telemetry/state-source.ts';

// The broker and the database behind them.
export { rocketmq } from './broker/rocketmq/rocketmq.ts';
export type { RocketmqBroker } from './broker/rocketmq/rocketmq.ts';
export type { RocketmqOptions } from './broker/rocketmq/options.ts';
export type { OutgoingMessage, ReceivedMessage } from './broker/message.ts';
export type { Consumer, Delivery } from './broker/consumer.ts';
export type { Producer, ProducerTopicType } from './broker/producer.ts';
export type { RocketmqProducerOptions } from './broker/rocketmq/producer.ts';
export type {
  CheckBack,
  CheckedHalfMessage,
  Resolution,
  SentHalfMessage,
  TransactionalBroker,
  TransactionalProducer,
} from './broker/transactional-producer.ts';
export { mysqlTransactionDatabase } from './store/mysql-transaction-database.ts';
export { openOrm } from './store/open-orm.ts';
export type { OpenOrmOptions } from './store/open-orm.ts';
export { sqliteTransactionDatabase } from './store/sqlite-transaction-database.ts';
export { purgeTransactionMarkers } from './store/purge-transaction-markers.ts';
export { mysqlExternalCallStore } from './store/mysql-external-call-store.ts';
export { mysqlStatusCheckStore } from './store/mysql-status-check-store.ts';
export { mysqlStatusReport } from './store/mysql-status-report.ts';
export { mysqlDeadLetterStore } from './store/mysql-dead-letter-store.ts';
export { mysqlProcessedMessageStore, purgeProcessedMessages } from './store/mysql-processed-message-store.ts';
export { mysqlSagaStore } from './store/mysql-saga-store.ts';

// Configuration of the `checkback` command.
export { defineConfig } from './cli/define-config.ts';
export type { CheckbackConfig, PublishStrategy } from './cli/define-config.ts';
export type { AuthenticateOps, OpsOptions, OpsRequest, OpsUser } from './cli/ops/ops-options.ts';

export type { Clock } from './shared/clock.ts';
export type { Logger } from './shared/logger.ts';
export * from './errors.ts';

// Reconciliation with institutions' statements.
export { defineStatement } from './reconciliation/statement/define-statement.ts';
export type {
  AnyStatement,
  OurRowsRule,
  Statement,
  StatementDefinition,
  StatementLine,
  TheirStatus,
} from './reconciliation/statement/define-statement.ts';
export { csv } from './reconciliation/statement/csv.ts';
export type { CsvOptions } from './reconciliation/statement/csv.ts';
export { fixedWidth } from './reconciliation/statement/fixed-width.ts';
export type { FixedColumns, FixedWidthOptions } from './reconciliation/statement/fixed-width.ts';
export { jsonLines } from './reconciliation/statement/json-lines.ts';
export type { JsonLinesOptions } from './reconciliation/statement/json-lines.ts';
export { pages } from './reconciliation/statement/paged-statement.ts';
export type { PagedStatement, StatementPage } from './reconciliation/statement/paged-statement.ts';
export type { Fields, StatementFormat, TrailerRule } from './reconciliation/statement/statement-format.ts';
export { minorUnits } from './reconciliation/statement/minor-units.ts';
export type { AmountNotation } from './reconciliation/statement/minor-units.ts';
export type { WindowRule } from './reconciliation/statement/day-window.ts';
export type { StatementPolicy } from './reconciliation/statement/statement-policy.ts';
export type { StatementBreak } from './reconciliation/statement/break.ts';
export type { BreakKind, BreakStanding, BreakState } from './reconciliation/statement/break-state.ts';
