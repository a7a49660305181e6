import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import type { CircuitSnapshot } from '../../gateway/circuit-breaker.ts';
import { CIRCUIT_KINDS } from '../../gateway/circuit-state.ts';
import { startTelemetry } from '../../telemetry/start-telemetry.ts';
import type { StateReading, StateSource } from '../../telemetry/state-source.ts';
import type { Orm } from '../compose.ts';
import { environment, type LoadedConfig } from '../config.ts';
import { type EventLoopWatch, watchEventLoop } from './event-loop-watch.ts';
import { type HealthPart, healthCheck } from './health.ts';
import { brokerPart, databasePart, eventLoopPart, LIVE_DELAY_MS, READY_DELAY_MS } from './health-parts.ts';
import { type MonitorServer, startMonitorServer } from './monitor-server.ts';
import { databaseStates, outboxStates } from './pool-states.ts';
import { queueStates } from './queue-states.ts';
import type { ReceiveWatch } from './receive-watch.ts';

/** What a monitor looks at once it is there. */
export interface Monitored {
  readonly orm: Orm;
  readonly receiving: ReceiveWatch;
  readonly gateway: { circuits(): readonly CircuitSnapshot[] };
}

/** Metrics, traces and health of one worker process. */
export interface Monitor {
  /** Where it listens; `undefined` without a port. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
  /** From here on it can be ready. */
  watch(monitored: Monitored): void;
  /** Not ready any more, for good. */
  drain(): void;
  close(): Promise<void>;
}

export interface MonitorOptions {
  /** Default: `metrics.port` of the configuration; without either there is no endpoint. 0 takes a free one. */
  readonly port?: number | undefined;
  /** Default: `metrics.host` of the configuration, then loopback. */
  readonly host?: string | undefined;
  readonly eventLoop?: EventLoopWatch;
}

const LOOPBACK = '127.0.0.1';

/**
 * Starts before the parts it watches: whoever asks meanwhile hears that they are starting. Traces go to the provider
 * that is registered globally, by `node --import` for example; metrics to the endpoint. Rejects with `ConfigurationError`
 * when it cannot listen.
 */
export async function startMonitor(config: LoadedConfig, options: MonitorOptions = {}): Promise<Monitor> {
  const { port = config.metrics?.port, host = config.metrics?.host ?? LOOPBACK } = options;
  if (port === undefined) {
    const telemetry = startTelemetry();
    return { address: undefined, watch: () => {}, drain: () => {}, close: async () => telemetry.close() };
  }
  let monitored: Monitored | undefined;
  let isDraining = false;
  const eventLoop = options.eventLoop ?? watchEventLoop();
  const live = healthCheck(() => [eventLoopPart(eventLoop, LIVE_DELAY_MS)]);
  const ready = healthCheck(() => readyParts(config, eventLoop, monitored, isDraining));

  const orm = (): Orm | undefined => (isDraining ? undefined : monitored?.orm);
  const namesrv = environment['CHECKBACK_ROCKETMQ_NAMESRV'] || undefined;
  const states: StateSource[] = [
    processStates(
      eventLoop,
      () => monitored?.gateway.circuits() ?? [],
      async () => (await ready()).isOk,
    ),
    databaseStates(config, orm),
    ...(config.strategy === 'pollingOutbox' ? [outboxStates(orm)] : []),
    ...(namesrv === undefined ? [] : [queueStates(config, namesrv)]),
  ];
  const reader = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const telemetry = startTelemetry({ meterProvider, states });
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  const stop = async (server?: MonitorServer): Promise<void> => {
    await server?.close();
    telemetry.close();
    eventLoop.close();
    await meterProvider.shutdown();
  };
  const metrics = async (): Promise<string> => serializer.serialize((await reader.collect()).resourceMetrics);
  const server = await startMonitorServer(host, port, { metrics, live, ready }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    address: { host: server.host, port: server.port },
    watch: (given) => void (monitored = given),
    drain: () => void (isDraining = true),
    close: () => stop(server),
  };
}

function readyParts(
  { endpoints }: LoadedConfig,
  eventLoop: EventLoopWatch,
  monitored: Monitored | undefined,
  isDraining: boolean,
): HealthPart[] {
  if (isDraining) return [{ name: 'process', complaint: () => 'it is draining' }];
  if (monitored === undefined) return [{ name: 'process', complaint: () => 'it is starting' }];
  return [
    { name: 'process', complaint: () => undefined },
    brokerPart(endpoints, monitored.receiving),
    databasePart(monitored.orm),
    eventLoopPart(eventLoop, READY_DELAY_MS),
  ];
}

/** What this process knows of itself. */
function processStates(
  eventLoop: EventLoopWatch,
  circuits: () => readonly CircuitSnapshot[],
  isReady: () => Promise<boolean>,
): StateSource {
  const circuitReadings = ({ origin, state }: CircuitSnapshot): StateReading[] =>
    CIRCUIT_KINDS.map((kind) => ({ metric: 'checkback.circuit.state', value: kind === state ? 1 : 0, labels: { origin, state: kind } }));
  return {
    name: 'process',
    cacheMs: 0,
    read: async () => [
      ...circuits().flatMap(circuitReadings),
      { metric: 'checkback.event_loop.delay.seconds', value: eventLoop.maxDelayMs() / 1_000, labels: {} },
      { metric: 'checkback.ready', value: (await isReady()) ? 1 : 0, labels: {} },
    ],
  };
}
