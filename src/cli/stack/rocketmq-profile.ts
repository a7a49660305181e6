import { readFileSync } from 'node:fs';
import { dockerFile } from './project-files.ts';
import { parseProperties, type Properties } from './properties-file.ts';
import type { StackPorts } from './ports.ts';

/** `production`: the shipped settings. `test`: check-backs within seconds and a small machine; data are thrown away. */
export type StackProfile = 'test' | 'production';
export const STACK_PROFILES: readonly StackProfile[] = ['test', 'production'];

/** Milliseconds; overrides the profile's `transactionTimeOut`. At 1000 about 3 % of transactions under load are checked needlessly: measure and assert "no checks" with 6000 or more. */
export type RocketmqProfileOptions = { readonly profile: StackProfile; readonly transactionTimeOutMs?: number | undefined };

/** Laid over docker/rocketmq/broker.conf. */
const TEST_BROKER: Properties = {
  flushDiskType: 'ASYNC_FLUSH',
  transactionTimeOut: '1000',
  transactionCheckInterval: '1000',
  transactionOpBatchInterval: '100',
  transactionMetricFlushInterval: '500',
  mappedFileSizeCommitLog: '16777216',
  mappedFileSizeConsumeQueue: '600000',
  mappedFileSizeTimerLog: '4194304',
  maxHashSlotNum: '10000',
  maxIndexNum: '40000',
  // The lowest the broker accepts: after a restart of the name server it is found again within 10 s, not 30.
  registerNameServerPeriod: '10000',
};

/** Laid over docker/rocketmq/rmq-proxy.json. */
const TEST_PROXY = {
  topicRouteServiceCacheRefreshSeconds: 1,
  minInvisibleTimeMillsForRecv: 1000,
  grpcClientConsumerMinLongPollingTimeoutMillis: 1000,
  transactionDataMaxWaitClearMillis: 100,
  grpcShutdownTimeSeconds: 1,
};

/** broker.conf for a profile: the shipped file, the profile's timings over it, then the ports of this stack. */
export function brokerSettings(options: RocketmqProfileOptions, ports: StackPorts, bindAddress: string): Properties {
  const { profile, transactionTimeOutMs } = options;
  if (transactionTimeOutMs !== undefined && !(Number.isSafeInteger(transactionTimeOutMs) && transactionTimeOutMs > 0)) {
    throw new RangeError(`transactionTimeOutMs must be a whole number of milliseconds above 0, got ${transactionTimeOutMs}`);
  }
  return {
    ...parseProperties(readFileSync(dockerFile('rocketmq', 'broker.conf'), 'utf8')),
    ...(profile === 'test' ? TEST_BROKER : {}),
    ...(transactionTimeOutMs === undefined ? {} : { transactionTimeOut: String(transactionTimeOutMs) }),
    listenPort: String(ports.broker),
    bindAddress,
    brokerIP1: '127.0.0.1',
  };
}

/** rmq-proxy.json for a profile, put together the same way. */
export function proxySettings(profile: StackProfile, ports: StackPorts): Readonly<Record<string, string | number | boolean>> {
  const shipped = JSON.parse(readFileSync(dockerFile('rocketmq', 'rmq-proxy.json'), 'utf8')) as Record<string, string | number | boolean>;
  return { ...shipped, ...(profile === 'test' ? TEST_PROXY : {}), grpcServerPort: ports.grpc, remotingListenPort: ports.proxyRemoting };
}
