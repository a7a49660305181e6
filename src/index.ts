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

// Consuming: external calls and the worker that makes them.
export { defineExternalCall } from './gateway/external-call.ts';
export type { ExternalCall } from './gateway/external-call.ts';
export { createGateway } from './gateway/gateway.ts';
export type { CallOptions, CallOutcome, Gateway } from './gateway/gateway.ts';
export type { FinalOutcome } from './gateway/call-outcome.ts';
export type { GatewayLimits, GatewayOptions } from './gateway/gateway-options.ts';
export type { OriginOptions } from './gateway/origin.ts';
export type { ExternalCallStore } from './gateway/external-call-store.ts';
export { defineMessageListener } from './worker/message-listener.ts';
export type { AnyMessageListener, ListenerMessage, MessageListener } from './worker/message-listener.ts';
export { startWorker } from './worker/worker.ts';
export type { DrainResult, Worker } from './worker/worker.ts';
export type { ConsumedListener, WorkerLimits, WorkerOptions } from './worker/worker-options.ts';
export type { ListenerStats, WorkerStats } from './worker/worker-stats.ts';
export type { RetryOptions } from './worker/retry-options.ts';
export type { DeadLetterSink } from './worker/dead-letter-sink.ts';

// The broker and the database behind them.
export { rocketmq } from './broker/rocketmq/rocketmq.ts';
export type { RocketmqBroker } from './broker/rocketmq/rocketmq.ts';
export type { RocketmqOptions } from './broker/rocketmq/options.ts';
export type { OutgoingMessage, ReceivedMessage } from './broker/message.ts';
export type { Consumer, Delivery } from './broker/consumer.ts';
export type {
  CheckBack,
  CheckedHalfMessage,
  Resolution,
  SentHalfMessage,
  TransactionalBroker,
  TransactionalProducer,
} from './broker/transactional-producer.ts';
export { mysqlTransactionDatabase } from './store/mysql-transaction-database.ts';
export { purgeTransactionMarkers } from './store/purge-transaction-markers.ts';
export { mysqlExternalCallStore } from './store/mysql-external-call-store.ts';

// Configuration of the `checkback` command.
export { defineConfig } from './cli/define-config.ts';
export type { CheckbackConfig } from './cli/define-config.ts';

export type { Clock } from './shared/clock.ts';
export type { Logger } from './shared/logger.ts';
export * from './errors.ts';
