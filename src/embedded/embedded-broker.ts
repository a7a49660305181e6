import { ClosedError } from '../errors.ts';
import {
  type EmbeddedBrokerOptions,
  type EmbeddedGroupOptions,
  requireRetryMaxTimes,
  requireTopicType,
  resolveEmbeddedBrokerOptions,
} from './broker-options.ts';
import { FaultSwitches } from './fault-switches.ts';
import type { EmbeddedBrokerFaults } from './faults.ts';
import { type EmbeddedBrokerInspection, inspect } from './inspection.ts';
import { RunningBroker } from './running-broker.ts';
import type { EmbeddedTopicType } from './stored-message.ts';

/**
 * A message broker inside this process that speaks the gRPC protocol of RocketMQ 5, so that official clients connect to
 * it unchanged: half messages and check-backs, delays, retries and dead letters. For tests, demos and development: it is
 * one process, keeps its messages in memory, and asks nobody who they are.
 */
export interface EmbeddedBroker {
  /** `host:port` for clients. Stays the same over `crash()` and `recover()`. */
  readonly endpoints: string;
  /** Makes a topic, or changes what it takes. */
  createTopic(name: string, type: EmbeddedTopicType, options?: { readonly queues?: number }): void;
  /** Makes a consumer group, or changes its limits. */
  createGroup(name: string, options?: EmbeddedGroupOptions): void;
  readonly faults: EmbeddedBrokerFaults;
  readonly inspect: EmbeddedBrokerInspection;
  /** Ends every connection, timer and file. Idempotent. */
  close(): Promise<void>;
}

/** Starts the broker. Rejects with `RangeError` for options, `ConfigurationError` for a file that is no journal, and the system's error for an address in use. */
async function start(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const resolved = resolveEmbeddedBrokerOptions(options);
  const faults = new FaultSwitches();
  const running = await RunningBroker.start(resolved, faults);
  const { host } = resolved;
  let isClosed = false;
  const requireOpen = (): void => {
    if (isClosed) throw new ClosedError('the embedded broker is closed');
  };
  return {
    endpoints: `${host}:${running.port}`,
    createTopic: (name, type, { queues = 4 } = {}) => {
      requireOpen();
      requireTopicType(name, type);
      if (!Number.isSafeInteger(queues) || queues < 1 || queues > 1_024)
        throw new RangeError(`embedded broker: topic "${name}" must have 1 to 1024 queues, got ${queues}`);
      running.broker.createTopic(name, type, queues);
    },
    createGroup: (name, { retryMaxTimes, fifo = false } = {}) => {
      requireOpen();
      running.broker.createGroup({ name, retryMaxTimes: requireRetryMaxTimes(name, retryMaxTimes), isFifo: fifo });
    },
    faults: {
      loseNextEnd: (times = 1) => faults.loseNextEnds(times),
      loseEnds: (predicate) => faults.loseEnds(predicate),
      delayOps: (ms) => void (faults.opDelayMs = ms),
      forgetTransactions: () => running.broker.transactions.memory.forgetAll(),
      cutTelemetry: ({ silently = false } = {}) => running.sessions.cut(silently),
      askToReconnect: () => running.sessions.askToReconnect(),
      duplicateDeliveries: (times = 1) => faults.duplicateDeliveries(times),
      duplicateChecks: (times = 1) => faults.duplicateChecks(times),
      rejectSends: (rejection = {}) => faults.rejectSends(rejection),
      latencyMs: (ms) => void (faults.latencyMs = ms),
      crash: () => running.crash(),
      recover: async () => {
        requireOpen();
        await running.recover();
      },
      restore: () => faults.restore(),
    },
    inspect: inspect(
      () => running.broker,
      () => ({ connections: running.connections, clients: running.sessions.online.length }),
    ),
    close: async () => {
      isClosed = true;
      await running.close();
    },
  };
}

export const EmbeddedBroker = { start };
