import type { LoadedConfig } from '../../../src/cli/config.ts';
import { TortureOrderEntity } from '../torture-tables.ts';
import { chargeListener, TIMER_GROUP, TIMER_TOPIC } from './charge-listener.ts';
import type { WorkerSettings } from './worker-reports.ts';

/** The configuration of a worker, as `checkback worker` would load it. Leases are shorter than the nemesis stops a process for. */
export function workerConfig({
  endpoints,
  mysqlUrl,
  bank,
  isSteady,
}: Pick<WorkerSettings, 'endpoints' | 'mysqlUrl' | 'bank' | 'isSteady'>): LoadedConfig {
  return {
    owner: 'shop',
    endpoints,
    databaseUrl: mysqlUrl,
    alertWebhook: undefined,
    entities: [TortureOrderEntity],
    messageListeners: [chargeListener({ isSteady })],
    origins: { bank },
    gateway: isSteady
      ? {}
      : { storeTimeoutMs: 2_000, closeTimeoutMs: 3_000, circuit: { halfOpenAfterMs: 1_000, maxHalfOpenAfterMs: 4_000 } },
    worker: { concurrency: 8, leaseMs: isSteady ? 10_000 : 3_000 },
    statusChecks: { timerTopic: TIMER_TOPIC, timerGroup: TIMER_GROUP, sweepMs: 1_000, leaseMs: 10_000 },
  };
}
