import { messageOf } from '../../shared/error-message.ts';
import type { StatusCheckSummary, StatusReport } from '../../status-check/status-report.ts';
import {
  countOpenCalls,
  countOpenDeadLetters,
  countOpenSagas,
  type OpenCalls,
  type OpenDeadLetters,
  type OpenSagas,
} from '../../store/pool-counts.ts';
import { type LiveWorker, liveWorkers } from '../../store/worker-heartbeat.ts';
import type { openDatabase } from '../compose.ts';
import type { LoadedConfig } from '../config.ts';
import { rocketmqAdmin } from '../stack/rocketmq-admin.ts';

/** How far one listener is behind. */
export interface QueueStatus {
  readonly listener: string;
  readonly topic: string;
  readonly group: string;
  /** Messages not acknowledged yet; a sentence when it could not be found out. */
  readonly lag: number | string;
}

/** One screen about a pool of workers. */
export interface PoolStatus {
  readonly at: Date;
  readonly workers: readonly LiveWorker[];
  readonly queues: readonly QueueStatus[];
  readonly calls: OpenCalls;
  readonly statusChecks: StatusCheckSummary;
  readonly deadLetters: OpenDeadLetters;
  readonly sagas: OpenSagas;
}

/** Asks database and, when `namesrv` is given, broker. Rejects when the database does not answer; a broker that does not is said in its lines. */
export async function readPoolStatus(
  config: LoadedConfig,
  orm: Awaited<ReturnType<typeof openDatabase>>,
  statusChecks: StatusReport,
  namesrv: string | undefined,
): Promise<PoolStatus> {
  const [workers, queues, calls, checks, deadLetters, sagas] = await Promise.all([
    liveWorkers(orm),
    readQueues(config, namesrv),
    countOpenCalls(orm),
    statusChecks.summary(),
    countOpenDeadLetters(orm),
    countOpenSagas(orm),
  ]);
  return { at: new Date(), workers, queues, calls, statusChecks: checks, deadLetters, sagas };
}

async function readQueues(config: LoadedConfig, namesrv: string | undefined): Promise<QueueStatus[]> {
  const listeners = (config.messageListeners ?? []).map(({ name, topic, group }) => ({ listener: name, topic, group }));
  // The proxy's protocol knows no lag.
  if (namesrv === undefined) return listeners.map((listener) => ({ ...listener, lag: 'set CHECKBACK_ROCKETMQ_NAMESRV to see it' }));
  const admin = rocketmqAdmin({ namesrv });
  try {
    return await Promise.all(
      listeners.map(async (listener) => ({ ...listener, lag: await admin.lag(listener.topic, listener.group).catch(messageOf) })),
    );
  } finally {
    admin.close();
  }
}
