import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { prepareArtifacts } from './artifacts.ts';
import type { ManagedProcess } from './managed-process.ts';
import { mariadbProcess } from './mariadb-native.ts';
import { chooseFreePorts, type StackPorts } from './ports.ts';
import { requireNativeTools } from './prerequisites.ts';
import { rocketmqAdmin, type RocketmqAdmin, type TopicType } from './rocketmq-admin.ts';
import { rocketmqProcesses } from './rocketmq-native.ts';
import { STACK_PROFILES, type StackProfile } from './rocketmq-profile.ts';

/** A topic to create. */
export type StackTopic = { readonly name: string; readonly type: TopicType };
/** A consumer group to create. */
export type StackGroup = { readonly name: string; readonly retryMaxTimes: number };

/** What to start, and where to keep it. */
export type NativeStackOptions = {
  /** Downloads and unpacked programs, kept for the next time and shared between stacks. */
  readonly cacheDir: string;
  /** Everything this stack writes. Starting again on the same folder finds the same data; profiles must not be mixed in one folder. */
  readonly dataDir: string;
  readonly profile: StackProfile;
  readonly topics: readonly StackTopic[];
  readonly groups: readonly StackGroup[];
  /** Milliseconds until the first check-back. Default: 1000 in `test`, 30000 in `production`. Assertions of "no checks, no duplicates" need 6000 or more. */
  readonly transactionTimeOutMs?: number | undefined;
  /** Default: chosen free. */
  readonly ports?: Partial<StackPorts> | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
  /** Each process as soon as it exists, restarts included: for those who must be able to end it later. */
  readonly onProcessStart?: ((name: string, pid: number) => void) | undefined;
  /** A process ended that nobody ended through its handle. The rest of the stack goes on. */
  readonly onUnexpectedExit?: ((reason: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** A running stack, owned by this process: it ends with us, even on kill -9. */
export type NativeStack = {
  readonly kind: 'native';
  /** gRPC proxy, "127.0.0.1:port". */
  readonly endpoints: string;
  /** Database `checkback`, utf8mb4, created. */
  readonly mysqlUrl: string;
  readonly ports: StackPorts;
  readonly admin: RocketmqAdmin;
  readonly namesrv: ManagedProcess;
  /** Broker and proxy are one process. */
  readonly broker: ManagedProcess;
  readonly database: ManagedProcess;
  /** Ends everything. Idempotent. In `production` the database is asked to end in order; everything else is killed, which loses nothing. */
  readonly close: () => Promise<void>;
};

/**
 * Starts RocketMQ and MariaDB on loopback, no root and no Docker needed, and resolves when a probe message went through,
 * a query was answered, and all topics and groups exist. On failure or abort nothing is left running.
 */
export async function startNativeStack(options: NativeStackOptions): Promise<NativeStack> {
  const { profile, topics, groups, onProgress, signal } = options;
  if (!STACK_PROFILES.includes(profile)) throw new RangeError(`profile must be one of ${STACK_PROFILES.join(', ')}, got ${profile}`);
  // The JVM and MariaDB run in folders of their own: relative paths would point elsewhere.
  const cacheDir = resolve(options.cacheDir);
  const dataDir = resolve(options.dataDir);
  await requireNativeTools(cacheDir);
  const artifacts = await prepareArtifacts({ cacheDir, onProgress, signal });
  const ports = await chooseFreePorts(options.ports);
  const logDir = join(dataDir, 'log');
  mkdirSync(logDir, { recursive: true });

  const endpoints = `127.0.0.1:${ports.grpc}`;
  const mysqlUrl = `mysql://root@127.0.0.1:${ports.mysql}/checkback`;
  const admin = rocketmqAdmin({ namesrv: `127.0.0.1:${ports.namesrv}` });
  const { onUnexpectedExit } = options;
  const { namesrv, broker } = rocketmqProcesses({
    onUnexpectedExit,
    profile,
    transactionTimeOutMs: options.transactionTimeOutMs,
    lib: artifacts.rocketmqLib,
    dataDir: join(dataDir, 'rocketmq'),
    logDir,
    ports,
    admin,
    onStart: options.onProcessStart,
  });
  const database = mariadbProcess({
    onUnexpectedExit,
    stopTimeoutMs: profile === 'test' ? 0 : 20_000,
    home: artifacts.mariadbHome,
    dataDir: join(dataDir, 'mariadb'),
    logFile: join(logDir, 'mariadb.log'),
    port: ports.mysql,
    url: mysqlUrl,
    onStart: (pid) => options.onProcessStart?.('mariadb', pid),
  });

  const close = async (): Promise<void> => {
    admin.close();
    await Promise.all([broker.stop().then(() => namesrv.stop()), database.stop()]);
  };
  const startedAt = performance.now();
  const timed = async (part: ManagedProcess): Promise<void> => {
    await part.start(signal);
    onProgress?.(`${part.name} is usable after ${((performance.now() - startedAt) / 1000).toFixed(1)} s (pid ${part.pid})`);
  };
  try {
    // Side by side, the name server too: the broker retries until it answers.
    await allOrFirstFailure([timed(namesrv), timed(broker), timed(database)]);
    for (const { name, type } of topics) await admin.createTopic(name, type);
    for (const { name, retryMaxTimes } of groups) await admin.createGroup(name, { retryMaxTimes });
  } catch (error) {
    await close();
    throw error;
  }
  return { kind: 'native', endpoints, mysqlUrl, ports, admin, namesrv, broker, database, close };
}

/** Fails as soon as one fails; the others are ended by `close()`, and their own failures are no news. */
async function allOrFirstFailure(starts: readonly Promise<void>[]): Promise<void> {
  for (const start of starts) start.catch(() => undefined);
  await Promise.all(starts);
}
