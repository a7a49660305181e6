import { messageOf } from '../../shared/error-message.ts';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runAfterOurDeath } from './lifeline.ts';
import type { NativeStackOptions } from './native-stack.ts';
import { ensureDatabase } from './mysql-probe.ts';
import { chooseFreePorts, type StackPorts } from './ports.ts';
import { canRun } from './prerequisites.ts';
import { dockerFile } from './project-files.ts';
import { formatProperties } from './properties-file.ts';
import { rocketmqAdmin } from './rocketmq-admin.ts';
import { passProbe } from './rocketmq-native.ts';
import { brokerSettings, proxySettings } from './rocketmq-profile.ts';
import { StackError } from './stack-error.ts';
import type { AdministeredStack } from './stack.ts';
import { waitUntil } from './wait-until.ts';

/** Names of images to use instead of the official ones, for example locally built ones. */
export type DockerImages = { readonly rocketmq?: string | undefined; readonly mysql?: string | undefined };

/** The same as for the native stack; downloads are Docker's business. */
export type DockerStackOptions = Omit<NativeStackOptions, 'cacheDir' | 'onProcessStart' | 'onUnexpectedExit'> & {
  /** Name of the compose project; unique per stack. */
  readonly project: string;
  readonly images?: DockerImages | undefined;
};

/** Pulling two images takes minutes on a slow line. */
const UP_TIMEOUT_MS = 15 * 60_000;
const READY_TIMEOUT_MS = 180_000;
const WATCH_INTERVAL_MS = 3_000;

/** Why Docker cannot be used, as half a sentence; `undefined` when it can. An answer within 3 s each, or none. */
export async function whyNoDocker(timeoutMs = 3000): Promise<string | undefined> {
  if (!(await canRun('docker', ['info'], timeoutMs))) return `Docker does not answer (docker info, ${timeoutMs} ms)`;
  if (!(await canRun('docker', ['compose', 'version'], timeoutMs))) return 'Docker has no compose plugin (docker compose version)';
  return undefined;
}

/**
 * Starts docker/compose.yaml under ports chosen free and resolves when a probe message went through, a query was
 * answered, and all topics and groups exist. The containers are removed by `close()`, and also when this process dies.
 */
export async function startDockerStack(options: DockerStackOptions): Promise<AdministeredStack> {
  const { project, topics, groups, onProgress, signal } = options;
  const reason = await whyNoDocker();
  if (reason !== undefined) throw new StackError(`the Docker stack cannot run here: ${reason}`);
  const ports = await chooseFreePorts(options.ports);
  const envFile = writeConfiguration(options, ports);
  const compose = ['compose', '-p', project, '-f', dockerFile('compose.yaml'), '--env-file', envFile];
  const remove = ['compose', '-p', project, 'down', '--volumes', '--timeout', '5'];
  const callOff = runAfterOurDeath(`docker ${remove.join(' ')}`);

  const namesrvAddress = `127.0.0.1:${ports.namesrv}`;
  const endpoints = `127.0.0.1:${ports.grpc}`;
  const mysqlUrl = `mysql://root@127.0.0.1:${ports.mysql}/checkback`;
  const admin = rocketmqAdmin({ namesrv: namesrvAddress });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      admin.close();
      await docker(remove, { timeoutMs: 60_000 });
      callOff();
    })());

  const lastWords = (services: readonly string[] = []): Promise<string> =>
    docker(['compose', '-p', project, 'logs', '--no-color', '--tail', '15', ...services], { timeoutMs: 20_000 }).catch(messageOf);
  const startedAt = performance.now();
  const failed = new AbortController();
  const until = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  const endWatch = watchForEndedServices(project, async (services) => {
    failed.abort(new StackError(`the container of ${services.join(', ')} ended by itself; its last words:\n${await lastWords(services)}`));
  });
  const timed = async (part: string, attempt: () => Promise<void>): Promise<void> => {
    try {
      await waitUntil(attempt, {
        what: `${part} in its container to be usable`,
        timeoutMs: READY_TIMEOUT_MS,
        intervalMs: 250,
        signal: until,
      });
    } catch (error) {
      // Now, because `down` takes the logs away.
      if (!until.aborted) throw new StackError(`${messageOf(error)}\n${await lastWords()}`, { cause: error });
      throw error;
    }
    onProgress?.(`${part} is usable after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  };
  try {
    onProgress?.('docker compose up; images are pulled if they are not here yet');
    await docker([...compose, 'up', '--detach'], { timeoutMs: UP_TIMEOUT_MS, signal, onLine: onProgress });
    await Promise.all([timed('rocketmq', () => passProbe(endpoints, admin)), timed('mysql', () => ensureDatabase(mysqlUrl, 2000))]);
    for (const { name, type } of topics) await admin.createTopic(name, type);
    for (const { name, retryMaxTimes } of groups) await admin.createGroup(name, { retryMaxTimes });
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  } finally {
    endWatch();
  }
  return { kind: 'docker', endpoints, mysqlUrl, namesrvAddress, admin, close };
}

/** Looks every few seconds whether a service of the project has ended, and tells which, once. Gives the way to end it. */
function watchForEndedServices(project: string, tell: (services: string[]) => Promise<void>): () => void {
  const stop = new AbortController();
  void (async () => {
    for (;;) {
      await sleep(WATCH_INTERVAL_MS, undefined, { signal: stop.signal });
      const list = ['compose', '-p', project, 'ps', '--all', '--status', 'exited', '--format', '{{.Service}}'];
      const ended = (await docker(list, { timeoutMs: 20_000 }).catch(() => '')).split('\n').filter((line) => /^[a-z]+$/.test(line));
      if (ended.length > 0 && !stop.signal.aborted) return tell(ended);
    }
  })().catch(() => undefined);
  return () => stop.abort();
}

/** Writes the configuration with this stack's ports and profile, and the file compose takes its variables from. Gives the latter's path. */
export function writeConfiguration(
  options: Pick<DockerStackOptions, 'dataDir' | 'profile' | 'transactionTimeOutMs' | 'images'>,
  ports: StackPorts,
): string {
  const conf = resolve(options.dataDir, 'docker');
  mkdirSync(join(conf, 'rocketmq'), { recursive: true });
  mkdirSync(join(conf, 'mysql'), { recursive: true });
  // Inside a container loopback is nobody: listen on all, announce loopback, where the same port number is published.
  writeFileSync(join(conf, 'rocketmq', 'broker.conf'), formatProperties(brokerSettings(options, ports, '0.0.0.0')));
  writeFileSync(join(conf, 'rocketmq', 'rmq-proxy.json'), `${JSON.stringify(proxySettings(options.profile, ports), null, 2)}\n`);
  copyFileSync(dockerFile('mysql', 'my.cnf'), join(conf, 'mysql', 'my.cnf'));
  const variables: Record<string, string | undefined> = {
    CHECKBACK_CONF: conf,
    CHECKBACK_GRPC_PORT: String(ports.grpc),
    CHECKBACK_NAMESRV_PORT: String(ports.namesrv),
    CHECKBACK_BROKER_PORT: String(ports.broker),
    CHECKBACK_MYSQL_PORT: String(ports.mysql),
    CHECKBACK_ROCKETMQ_IMAGE: options.images?.rocketmq,
    CHECKBACK_MYSQL_IMAGE: options.images?.mysql,
  };
  const lines = Object.entries(variables).flatMap(([name, value]) => (value ? [`${name}='${value}'\n`] : []));
  writeFileSync(join(conf, 'compose.env'), lines.join(''));
  return join(conf, 'compose.env');
}

type DockerRun = {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
};

/** Runs the Docker client and gives the end of what it printed. Its own process group: Ctrl-C must not reach it while we are the ones who clean up. */
async function docker(args: readonly string[], { timeoutMs, signal, onLine }: DockerRun): Promise<string> {
  const client = spawn('docker', [...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    timeout: timeoutMs,
    ...(signal ? { signal } : {}),
  });
  let output = '';
  for (const stream of [client.stdout, client.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000);
      for (const line of text.split('\n')) if (line.trim() !== '') onLine?.(line.trim());
    });
  }
  const failure = await new Promise<string | undefined>((settle) => {
    client.once('error', (error) => settle(error.message));
    client.once('close', (code, killedBy) => settle(code === 0 ? undefined : (killedBy ?? `code ${code}`)));
  });
  signal?.throwIfAborted();
  if (failure !== undefined) throw new StackError(`docker ${args.join(' ')} failed: ${failure}\n${output.trim()}`);
  return output.trim();
}
