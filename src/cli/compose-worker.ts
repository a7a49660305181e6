import { logAlertSink } from '../alerts/log-alert-sink.ts';
import { startAlerts } from '../alerts/start-alerts.ts';
import { webhookAlertSink } from '../alerts/webhook-alert-sink.ts';
import { type RocketmqBroker, rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { callOf } from '../dead-letter/call-of-message.ts';
import { deadLetterSink } from '../dead-letter/dead-letter-sink.ts';
import { drainBrokerDeadLetters } from '../dead-letter/drain-broker-dead-letters.ts';
import { ConfigurationError } from '../errors.ts';
import type { ExternalCallStore } from '../gateway/external-call-store.ts';
import { type Gateway, createGateway } from '../gateway/gateway.ts';
import type { AnySaga, AnyStepWork } from '../saga/define-saga.ts';
import { startSagaRunner } from '../saga/saga-runner.ts';
import type { Logger } from '../shared/logger.ts';
import { keepUnknownOutcomes } from '../status-check/keep-unknown-outcome.ts';
import { startStatusChecker } from '../status-check/status-checker.ts';
import { mysqlDeadLetterStore } from '../store/mysql-dead-letter-store.ts';
import { mysqlExternalCallStore } from '../store/mysql-external-call-store.ts';
import { mysqlProcessedMessageStore } from '../store/mysql-processed-message-store.ts';
import { mysqlSagaStore } from '../store/mysql-saga-store.ts';
import { mysqlStatusCheckStore } from '../store/mysql-status-check-store.ts';
import { startHeartbeat } from '../store/worker-heartbeat.ts';
import { applyOutcome } from '../worker/apply-outcome.ts';
import { decodeMessage } from '../worker/decode-message.ts';
import type { AnyListener, AnyMessageListener } from '../worker/message-listener.ts';
import type { UnknownOutcomeSink } from '../worker/unknown-outcome-sink.ts';
import type { EndTransactions } from '../worker/end-transactions.ts';
import { type Worker, startWorker } from '../worker/worker.ts';
import { snapshot } from '../worker/worker-stats.ts';
import { composeReconciliationSchedule } from './compose-reconciliation.ts';
import { type Composed, type Orm, composeCompensations, openDatabase } from './compose.ts';
import type { LoadedConfig } from './config.ts';
import { ReceiveWatch } from './telemetry/receive-watch.ts';

/** Of a process that runs sagas and no listener. */
const EMPTY_STATS = snapshot(new Map());

/** What a worker process consists of. */
export interface ComposedWorker {
  readonly worker: Worker | undefined;
  readonly gateway: Gateway;
  readonly orm: Orm;
  /** How the broker answers its consumers. */
  readonly receiving: ReceiveWatch;
}

export interface ComposeWorkerOptions {
  readonly concurrency?: number | undefined;
  /** Replaces `afterMs` of every status check: for demos and drills. */
  readonly statusCheckAfterMs?: number | undefined;
}

/**
 * The consuming half: database, gateway, a consumer a listener, worker; what unknown outcomes, dead letters and sagas
 * need; alerts and heartbeat. Everything is closed again when a part cannot start.
 */
export async function composeWorker(
  config: LoadedConfig,
  logger: Logger,
  options: ComposeWorkerOptions = {},
): Promise<Composed<ComposedWorker>> {
  const listeners = (config.messageListeners ?? []).map((listener) => hurried(listener, options.statusCheckAfterMs));
  const sagas = (config.sagas ?? []).map((saga) => hurriedSaga(saga, options.statusCheckAfterMs));
  if (listeners.length + sagas.length === 0)
    throw new ConfigurationError('the configuration has neither messageListeners nor sagas for a worker to run');
  requireOrigins(config, callsOf(listeners, sagas));
  // Closed in reverse: what takes work in before what the work needs.
  const parts = new AsyncDisposableStack();
  const workers: ((deadlineMs?: number) => Promise<unknown>)[] = [];
  try {
    const sinks = [
      logAlertSink(logger),
      ...(config.alertWebhook ? [webhookAlertSink({ url: config.alertWebhook })] : []),
      ...(config.alerts?.sinks ?? []),
    ];
    parts.adopt(startAlerts({ ...config.alerts, sinks, logger }), (alerts) => alerts.close());
    const orm = parts.adopt(await openDatabase(config), (opened) => opened.close(true));
    const broker = rocketmq({ endpoints: config.endpoints, logger });
    const calls = mysqlExternalCallStore(orm);
    const gateway = parts.adopt(createGateway({ ...config.gateway, origins: config.origins, store: calls, logger }), (opened) =>
      opened.close(),
    );
    const compensations = await composeCompensations(config, orm, logger);
    if (compensations !== undefined) parts.adopt(compensations, (composed) => composed.close());
    const receiving = new ReceiveWatch();
    const base = { config, logger, orm, broker, calls, gateway, inTransaction: compensations?.part, parts, workers, receiving };
    if (sagas.length > 0) {
      const runner = startSagaRunner({ ...config.sagaRunner, sagas, store: mysqlSagaStore(orm), gateway, calls, logger });
      drainable(base, runner);
    }
    const unknownOutcome = await composeStatusChecks(base, listeners);
    composeDeadLetterDrains(base, listeners);
    const schedule = composeReconciliationSchedule({ ...base, listeners });
    if (schedule !== undefined) drainable(base, schedule);
    const worker = listeners.length === 0 ? undefined : await composeListeners(base, listeners, unknownOutcome, options.concurrency);
    const report = () => ({ stats: worker?.stats() ?? EMPTY_STATS, circuits: gateway.circuits() });
    parts.adopt(startHeartbeat({ orm, owner: config.owner, report, logger }), (heartbeat) => heartbeat.close());
    return {
      part: { worker, gateway, orm, receiving },
      close: async (deadlineMs) => {
        // Side by side, so that the deadline holds for all of them.
        await Promise.all(workers.map((close) => close(deadlineMs)));
        await parts.disposeAsync();
      },
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

interface WorkerBase {
  readonly config: LoadedConfig;
  readonly logger: Logger;
  readonly orm: Orm;
  readonly broker: RocketmqBroker;
  readonly calls: ExternalCallStore;
  readonly gateway: Gateway;
  readonly inTransaction: EndTransactions | undefined;
  readonly parts: AsyncDisposableStack;
  readonly receiving: ReceiveWatch;
  /** Closes each part that works, first of all and with a deadline. */
  readonly workers: ((deadlineMs?: number) => Promise<unknown>)[];
}

/** Closed with a deadline when the process ends, and at once when another part could not start. */
function drainable<Part extends { close(deadlineMs?: number): Promise<unknown> }>({ parts, workers }: WorkerBase, part: Part): Part {
  workers.push((deadlineMs) => part.close(deadlineMs));
  return parts.adopt(part, async (started) => void (await started.close(0)));
}

async function composeListeners(
  base: WorkerBase,
  listeners: readonly AnyListener[],
  unknownOutcome: UnknownOutcomeSink,
  concurrency: number | undefined,
): Promise<Worker> {
  const { config, logger, orm, broker, gateway, inTransaction, parts } = base;
  const starting = await Promise.allSettled(listeners.map(({ topic, group, tag }) => broker.startConsumer({ topic, group, tag })));
  for (const result of starting) if (result.status === 'fulfilled') parts.adopt(result.value, (consumer) => consumer.close());
  const consumers = listeners.map((listener, index) => {
    const result = starting[index]!;
    if (result.status === 'rejected') throw result.reason;
    return { listener, consumer: base.receiving.watch(result.value) };
  });
  const worker = startWorker({
    ...config.worker,
    ...(concurrency === undefined ? {} : { concurrency }),
    consumers,
    gateway,
    processed: mysqlProcessedMessageStore(orm),
    unknownOutcome,
    inTransaction,
    deadLetter: deadLetterSink(mysqlDeadLetterStore(orm), { listeners, callOf: callOf(listeners, decodeMessage) }),
    logger,
  });
  return drainable(base, worker);
}

/** Asks after unknown outcomes, by timer message where there is a topic for them, by sweep everywhere. */
async function composeStatusChecks(base: WorkerBase, listeners: readonly AnyListener[]): Promise<UnknownOutcomeSink> {
  const { config, logger, orm, broker, calls, gateway, inTransaction, parts } = base;
  const { timerTopic, timerGroup = 'checkback-status-checks', ...limits } = config.statusChecks ?? {};
  const store = mysqlStatusCheckStore(orm);
  const timers =
    timerTopic === undefined
      ? undefined
      : {
          topic: timerTopic,
          producer: parts.adopt(await broker.startProducer({ topic: timerTopic, type: 'DELAY' }), (producer) => producer.close()),
          consumer: parts.adopt(await broker.startConsumer({ topic: timerTopic, group: timerGroup }), (consumer) => consumer.close()),
        };
  const checker = startStatusChecker({
    ...limits,
    store,
    calls,
    gateway,
    worker: { decodeMessage, applyOutcome, ...(inTransaction && { inTransaction }) },
    listeners: listeners.filter((listener): listener is AnyMessageListener => listener.call !== undefined),
    timers: timers?.consumer,
    logger,
  });
  drainable(base, checker);
  return keepUnknownOutcomes({ store, timers, logger });
}

/** Brings what the broker gave up by itself to where people look for it. */
function composeDeadLetterDrains({ config, logger, orm, broker, parts }: WorkerBase, listeners: readonly AnyListener[]): void {
  if (config.deadLetters?.drainBroker === false) return;
  const stop = new AbortController();
  const store = mysqlDeadLetterStore(orm);
  const topicsOf = Map.groupBy(listeners, ({ group }) => group);
  const drains = [...topicsOf].map(([group, ofGroup]) => {
    const topics = new Set(ofGroup.map(({ topic }) => topic));
    const topic = topics.size === 1 ? [...topics][0] : undefined;
    return drainBrokerDeadLetters({ broker, store, group, topic, callOf: callOf(listeners, decodeMessage), logger }, stop.signal);
  });
  parts.defer(async () => {
    stop.abort(new Error('the worker is closing'));
    await Promise.all(drains);
  });
}

/** Every call the process may make, and who makes it. */
function callsOf(listeners: readonly AnyListener[], sagas: readonly AnySaga[]): { readonly who: string; readonly origin: string }[] {
  const ofListeners = listeners.flatMap(({ name, call }) =>
    call === undefined ? [] : [{ who: `message listener "${name}"`, origin: call.origin }],
  );
  const ofSagas = sagas.flatMap(({ name, steps }) =>
    steps
      .flatMap(({ action, compensation }) => [action, compensation])
      .flatMap((work) => (typeof work === 'object' ? [{ who: `saga "${name}"`, origin: work.call.origin }] : [])),
  );
  return [...ofListeners, ...ofSagas];
}

function requireOrigins({ origins }: LoadedConfig, calls: ReturnType<typeof callsOf>): void {
  for (const { who, origin } of calls) {
    if (origins[origin] !== undefined) continue;
    throw new ConfigurationError(
      `${who} calls origin "${origin}": set it in "origins" of the configuration or CHECKBACK_ORIGINS=${origin}=https://…`,
    );
  }
}

function hurried(listener: AnyListener, afterMs: number | undefined): AnyListener {
  if (afterMs === undefined || listener.call === undefined) return listener;
  return { ...listener, call: hurriedCall(listener.call, afterMs) } as AnyMessageListener;
}

/** It keeps its fingerprint: when an institution is asked is no matter of which steps there are. */
function hurriedSaga(saga: AnySaga, afterMs: number | undefined): AnySaga {
  if (afterMs === undefined) return saga;
  const work = (of: AnyStepWork): AnyStepWork => (typeof of === 'function' ? of : { ...of, call: hurriedCall(of.call, afterMs) });
  const steps = saga.steps.map((step) => ({
    ...step,
    action: work(step.action),
    compensation: step.compensation && work(step.compensation),
  }));
  return { ...saga, steps };
}

const hurriedCall = <Call extends AnyMessageListener['call']>(call: Call, afterMs: number): Call =>
  call.statusCheck === undefined ? call : { ...call, statusCheck: { ...call.statusCheck, afterMs } };
