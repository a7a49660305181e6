import type { AlertOptions } from '../alerts/alert-options.ts';
import type { CaptureLimits } from '../change-data-capture/capture-options.ts';
import type { GatewayLimits } from '../gateway/gateway-options.ts';
import type { OriginLimits } from '../gateway/origin-limits.ts';
import type { OriginOptions } from '../gateway/origin.ts';
import type { OutboxRelayLimits } from '../outbox/outbox-relay-options.ts';
import type { ParkedLane } from '../outbox/outbox-store.ts';
import type { AnyMessageSource } from '../reconciliation/message-source.ts';
import type { ReconciliationLimits } from '../reconciliation/reconciliation-options.ts';
import type { AnyStatement } from '../reconciliation/statement/define-statement.ts';
import type { FailureCompensation } from '../saga/compensate-failures.ts';
import type { AnySaga } from '../saga/define-saga.ts';
import type { SagaRunnerLimits } from '../saga/saga-runner-options.ts';
import type { SegmentedLogDrainLimits } from '../segmented-log/drain-options.ts';
import type { SegmentedLogOptions } from '../segmented-log/segmented-log-options.ts';
import type { ChangeDataCaptureOptions } from '../store/mysql-change-data-capture.ts';
import type { StatusCheckerLimits } from '../status-check/status-checker-options.ts';
import type { AnyTransactionListener } from '../transaction/transaction-listener.ts';
import type { AnyListener } from '../worker/message-listener.ts';
import type { WorkerLimits } from '../worker/worker-options.ts';
import type { OpsOptions } from './ops/ops-options.ts';

/** How messages travel with the decision. */
export const PUBLISH_STRATEGIES = ['halfMessage', 'pollingOutbox', 'changeDataCapture', 'localSegmentedOutbox'] as const;
export type PublishStrategy = (typeof PUBLISH_STRATEGIES)[number];

/** What `checkback.config.ts` exports by default. What is left out comes from the environment, where the names say so. */
export interface CheckbackConfig {
  /** Name of this service; owns its transactions and answers their check-backs. */
  readonly owner: string;
  /** `host:port` of the RocketMQ proxy's gRPC port. Default: `CHECKBACK_ROCKETMQ_ENDPOINTS`. */
  readonly endpoints?: string;
  /**
   * `mysql://user:password@host:3306/database`, or a file for demos and tests: `sqlite:///absolute/path.db`. Default:
   * `CHECKBACK_DATABASE_URL`, then `CHECKBACK_MYSQL_URL`.
   */
  readonly databaseUrl?: string;
  /** MikroORM entities of the business; the engine adds its own. */
  readonly entities?: readonly unknown[];
  /** MikroORM migrations of the business, run by `checkback migrate` together with the engine's. */
  readonly migrations?: readonly unknown[];
  /**
   * How messages travel with the decision. `halfMessage`: TRANSACTION topics, no table, the broker must be up to take an
   * order. The others use NORMAL topics and take orders while the broker is down: `pollingOutbox` by rows in the table
   * `outbox_message`, `changeDataCapture` by reading the database's binlog, `localSegmentedOutbox` by a log on the
   * process's own disk, which a crash right after COMMIT leaves a message out of. Listeners and workers are the same;
   * docs/strategies.md compares what each promises. Default `halfMessage`.
   */
  readonly strategy?: PublishStrategy;
  /** For `pollingOutbox`: the relay inside each process that publishes. */
  readonly outbox?: Partial<OutboxRelayLimits> & {
    /** Whether processes that publish also send what is in the outbox. Default true; false leaves it to others. */
    readonly relay?: boolean;
    /** What a message the broker refuses for good means for the later ones of its topic and first key. Default `hold`. */
    readonly parkedLane?: ParkedLane;
  };
  /** For `localSegmentedOutbox`, which takes orders while the broker is down, and loses the messages of what a crash catches right after COMMIT. */
  readonly segmentedLog?: Omit<SegmentedLogOptions, 'logger' | 'clock'> & {
    /** Whether processes that publish also send what is in their log. Default true; false leaves it to a later process with the same directory. */
    readonly drain?: boolean;
    readonly drainLimits?: Partial<SegmentedLogDrainLimits>;
  };
  /**
   * For `changeDataCapture`: which rows are messages (`rowMessages`, made by `defineRowMessage`), where to begin at the very
   * first start (`from`), and the reader inside each process that publishes, of which one reads and the others stand by.
   */
  readonly changeDataCapture?: Partial<CaptureLimits> &
    Pick<ChangeDataCaptureOptions, 'rowMessages' | 'from' | 'reader' | 'name' | 'binlogUrl' | 'refused'>;
  readonly transactionListeners?: readonly AnyTransactionListener[];
  readonly messageListeners?: readonly AnyListener[];
  /** Run by the workers; `startSaga` begins one. */
  readonly sagas?: readonly AnySaga[];
  /**
   * Institutions by name, as the external calls name them. `CHECKBACK_ORIGINS` (`bank=https://…,other=…`) replaces their
   * addresses and adds others.
   */
  readonly origins?: Readonly<Record<string, string | (OriginOptions & OriginLimits)>>;
  /** Limits for every origin that says nothing of its own, and how patient the gateway is. */
  readonly gateway?: Partial<GatewayLimits> & OriginLimits;
  readonly worker?: Partial<WorkerLimits>;
  readonly statusChecks?: Partial<StatusCheckerLimits> & {
    /** DELAY topic for timer messages. Default: none; the sweep finds what is due, up to `sweepMs` later. */
    readonly timerTopic?: string;
    /** Consumer group of all workers on `timerTopic`. Default `checkback-status-checks`. */
    readonly timerGroup?: string;
  };
  readonly deadLetters?: {
    /** Whether workers read the broker's own `%DLQ%` queues of their groups into the dead-letter table. Default true. */
    readonly drainBroker?: boolean;
  };
  /** Events that a listener's FAIL publishes in the transaction that records it; made by `compensateFailures`. */
  readonly compensations?: readonly FailureCompensation[];
  readonly sagaRunner?: Partial<SagaRunnerLimits>;
  readonly reconciliation?: Partial<ReconciliationLimits> & {
    /** How messages are found again in committed rows; made by `defineMessageSource`. */
    readonly sources?: readonly AnyMessageSource[];
    /** What institutions send us to compare with; made by `defineStatement`. */
    readonly statements?: readonly AnyStatement[];
    /** Questions to institutions, or messages published again, a second at most in one process. Default 10. */
    readonly rate?: number;
    /** Cron expressions, in UTC, of what workers do by themselves; each moment is run by one worker of the pool. Default: nothing. */
    readonly schedule?: { readonly open?: string; readonly delivery?: string };
  };
  /** Where workers answer `/metrics`, `/livez` and `/readyz`; `--metrics-port` and `--metrics-host` come first. Default: nowhere. */
  readonly metrics?: {
    readonly port?: number;
    /** Nothing is secret there, and nobody is asked who they are. Default `127.0.0.1`. */
    readonly host?: string;
  };
  /** The page for people on call: `checkback ops --port`, `checkback worker --ops-port`. Default: on loopback, without a token. */
  readonly ops?: OpsOptions;
  /** Alerts go to the log always; `CHECKBACK_ALERT_WEBHOOK` adds a URL they are posted to. */
  readonly alerts?: Partial<Omit<AlertOptions, 'logger' | 'clock'>>;
}

/** Gives `checkback.config.ts` its types; checks nothing by itself. */
export function defineConfig(config: CheckbackConfig): CheckbackConfig {
  return config;
}
