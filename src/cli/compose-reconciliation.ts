import { rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../broker/rocketmq/topic-type.ts';
import { paced } from '../shared/pace.ts';
import { openReplaySender, type ReplaySender } from '../dead-letter/replay-sender.ts';
import type { ExternalCallStore } from '../gateway/external-call-store.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { AnyMessageSource } from '../reconciliation/message-source.ts';
import { type DeliveryContext, reconcileDelivery } from '../reconciliation/reconcile-delivery.ts';
import { type OpenCallsContext, reconcileOpenCalls } from '../reconciliation/reconcile-open-calls.ts';
import { type Schedule, type ScheduledJob, startSchedule } from '../reconciliation/schedule.ts';
import { systemClock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { checkOnce } from '../status-check/check-once.ts';
import { mysqlDeliveryStore } from '../store/mysql-delivery-store.ts';
import { mysqlOpenCallStore } from '../store/mysql-open-call-store.ts';
import { mysqlReconciliationRunStore } from '../store/mysql-reconciliation-run-store.ts';
import { mysqlStatusCheckStore } from '../store/mysql-status-check-store.ts';
import { encodeHalfMessage } from '../transaction/half-message.ts';
import { applyOutcome } from '../worker/apply-outcome.ts';
import { decodeMessage } from '../worker/decode-message.ts';
import type { EndTransactions } from '../worker/end-transactions.ts';
import type { AnyListener, AnyMessageListener } from '../worker/message-listener.ts';
import type { Composed, Orm } from './compose.ts';
import type { LoadedConfig } from './config.ts';

const DEFAULT_RATE = 10;

/** What reconciliation is made of. */
export interface ReconciliationBase {
  readonly config: LoadedConfig;
  readonly orm: Orm;
  readonly logger: Logger;
  readonly listeners: readonly AnyListener[];
  readonly calls: ExternalCallStore;
  readonly gateway: Pick<Gateway, 'call'>;
  readonly inTransaction: EndTransactions | undefined;
  /** Rows of a chunk and questions or messages a second; default: the configuration's. */
  readonly chunk?: number | undefined;
  readonly rate?: number | undefined;
}

export interface Reconciliation {
  readonly open: OpenCallsContext;
  readonly delivery: DeliveryContext;
  /** Those that have a rule for deliveries. */
  readonly sources: readonly AnyMessageSource[];
}

/** Opens nothing before something is published again. Close it after the last run. */
export const composeReconciliation = (base: ReconciliationBase): Composed<Reconciliation> => {
  const { config, orm, logger, calls, gateway, inTransaction } = base;
  const { sources = [], statements: _statements, schedule: _, rate = DEFAULT_RATE, ...limits } = config.reconciliation ?? {};
  const checks = mysqlStatusCheckStore(orm);
  const listeners = base.listeners.filter((listener): listener is AnyMessageListener => listener.call !== undefined);
  const worker = { decodeMessage, applyOutcome, ...(inTransaction && { inTransaction }) };
  const byName = new Map(listeners.map((listener) => [listener.name, listener]));
  const checking = { store: checks, calls, gateway, listeners: byName, worker, logger, random: Math.random };
  const shared = {
    runs: mysqlReconciliationRunStore(orm),
    parts: { encodeHalfMessage, decodeMessage, owner: config.owner },
    turn: paced(base.rate ?? rate),
    limits: { ...limits, ...(base.chunk !== undefined && { chunk: base.chunk }) },
  };
  let sender: ReplaySender | undefined;
  const openSender = (): ReplaySender => {
    const options = { endpoints: config.endpoints, logger };
    return openReplaySender({ ...rocketmq(options), topicType: (topic) => rocketmqTopicType(options, topic) });
  };
  return {
    part: {
      open: {
        ...shared,
        calls: mysqlOpenCallStore(orm),
        checks,
        check: (claimed, signal) => checkOnce(claimed, checking, signal),
        readRow: async (source, call) =>
          (await source.rowOf(orm.em.fork({ clear: true, useContext: false }), call)) as object | null | undefined,
        listeners,
        sources,
        clock: systemClock,
      },
      delivery: { ...shared, deliveries: mysqlDeliveryStore(orm), send: (message) => (sender ??= openSender()).send(message) },
      sources: sources.filter(({ delivery }) => delivery !== undefined),
    },
    close: async () => sender?.close(),
  };
};

/** What workers do by themselves; `undefined` when the configuration has no schedule. */
export const composeReconciliationSchedule = (base: ReconciliationBase): Composed<Schedule> | undefined => {
  const { config, logger } = base;
  const { schedule = {} } = config.reconciliation ?? {};
  if (schedule.open === undefined && schedule.delivery === undefined) return undefined;
  const reconciliation = composeReconciliation(base);
  const { open, delivery, sources } = reconciliation.part;
  const told = async (run: number | undefined, of: object): Promise<void> => {
    if (run === undefined) return;
    const { looked, totals } = await open.runs.summary(run);
    logger.info({ ...of, run, looked, totals }, 'reconciled');
  };
  const jobs: ScheduledJob[] = [];
  if (schedule.open !== undefined) {
    const run = async (tick: string, signal: AbortSignal): Promise<void> =>
      told(await reconcileOpenCalls({ tick }, open, signal), { reconciliation: 'open' });
    jobs.push({ name: 'open', cron: schedule.open, run });
  }
  if (schedule.delivery !== undefined) {
    const run = async (tick: string, signal: AbortSignal): Promise<void> => {
      for (const source of sources)
        await told(await reconcileDelivery(source, { tick }, delivery, signal), { reconciliation: 'delivery', source: source.name });
    };
    jobs.push({ name: 'delivery', cron: schedule.delivery, run });
  }
  const started = startSchedule({ jobs, logger });
  return {
    part: started,
    close: async (deadlineMs) => {
      await started.close(deadlineMs);
      await reconciliation.close();
    },
  };
};
