import { messageOf } from '../../src/shared/error-message.ts';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { GenericContainer, ImageName, Wait, getContainerRuntimeClient } from 'testcontainers';
import { runAfterOurDeath } from '../../src/cli/stack/lifeline.ts';
import { ensureDatabase } from '../../src/cli/stack/mysql-probe.ts';
import { chooseFreePorts } from '../../src/cli/stack/ports.ts';
import { dockerFile } from '../../src/cli/stack/project-files.ts';
import { formatProperties } from '../../src/cli/stack/properties-file.ts';
import { rocketmqAdmin } from '../../src/cli/stack/rocketmq-admin.ts';
import { passProbe } from '../../src/cli/stack/rocketmq-native.ts';
import { brokerSettings, proxySettings } from '../../src/cli/stack/rocketmq-profile.ts';
import { StackError } from '../../src/cli/stack/stack-error.ts';
import type { AdministeredStack } from '../../src/cli/stack/stack.ts';
import { waitUntil } from '../../src/cli/stack/wait-until.ts';
import { STACK_LABEL, ownerLabels, removeAbandonedContainers, removeContainersOf } from './stack-docker-leftovers.ts';

/** Names of images; what is not named is the official one. */
export type DockerTestImages = { readonly rocketmq?: string | undefined; readonly mysql?: string | undefined };

/** What the tests need to say. */
export type DockerTestStackOptions = {
  readonly images?: DockerTestImages | undefined;
  /** Milliseconds until the first check-back. Default 1000. Assertions of "no checks, no duplicates" need 6000 or more. */
  readonly transactionTimeOutMs?: number | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

const OFFICIAL = { rocketmq: 'apache/rocketmq:5.4.0', mysql: 'mysql:8.4' };
const READY_TIMEOUT_MS = 120_000;

/** Why testcontainers find no Docker, as half a sentence; `undefined` when they do. Asks DOCKER_HOST, then the usual sockets. */
export async function whyNoDockerForTests(timeoutMs = 5000): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`Docker gave no answer within ${timeoutMs} ms`), timeoutMs);
  });
  const answer = getContainerRuntimeClient().then(
    () => undefined,
    () => `no Docker answers${process.env['DOCKER_HOST'] === undefined ? '' : ` at ${process.env['DOCKER_HOST']}`}`,
  );
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** Makes the images available, pulling what is not here. Rejects with one sentence that says which image and what to do. */
export async function ensureDockerImages(
  images: DockerTestImages = {},
  onProgress?: (line: string) => void,
): Promise<{ rocketmq: string; mysql: string }> {
  const names = { rocketmq: images.rocketmq || OFFICIAL.rocketmq, mysql: images.mysql || OFFICIAL.mysql };
  const { image } = await getContainerRuntimeClient();
  await Promise.all(
    Object.values(names).map(async (name) => {
      const parsed = ImageName.fromString(name);
      if (await image.exists(parsed)) return;
      onProgress?.(`pulling ${name}`);
      await image.pull(parsed).catch((cause: unknown) => {
        throw new StackError(
          `the image ${name} is not here and cannot be pulled: ${messageOf(cause)}; docker/build-images.sh builds one without a registry and prints the variables that name it`,
          { cause },
        );
      });
    }),
  );
  return names;
}

/**
 * RocketMQ and MySQL in containers, through testcontainers, reachable from this machine alone. Resolves when a probe
 * message went through and a query was answered. The containers go with `close()`; with this process, should it be
 * killed; and else at the next start. No Ryuk: its image would have to come from a registry.
 */
export async function startDockerStackForTests(options: DockerTestStackOptions = {}): Promise<AdministeredStack> {
  const { onProgress, signal } = options;
  const profile = 'test';
  const noDocker = await whyNoDockerForTests();
  if (noDocker !== undefined) throw new StackError(`${noDocker}: start Docker, or eval "$(docker/docker-daemon.sh start)" (Debian, root)`);
  signal?.throwIfAborted();
  const images = await ensureDockerImages(options.images, onProgress);
  for (const name of await removeAbandonedContainers()) onProgress?.(`removed ${name}, left behind by a run that is gone`);

  const { hostIp, isLocal } = await whereDockerPublishes();
  const ports = await chooseFreePorts();
  const stackId = randomUUID();
  const callOff = runAfterOurDeath(`docker ps --all --quiet --filter label=${STACK_LABEL}=${stackId} | xargs docker rm --force --volumes`);
  const container = (name: string, image: string): GenericContainer =>
    new PublishedContainer(image, isLocal)
      .withName(`checkback-test-${name}-${stackId.slice(0, 8)}`)
      .withLabels({ ...ownerLabels(), [STACK_LABEL]: stackId })
      .withAutoCleanup(false)
      .withStartupTimeout(READY_TIMEOUT_MS);

  const password = randomUUID();
  const mysql = container('mysql', images.mysql)
    .withEnvironment({ MYSQL_ROOT_PASSWORD: password, MYSQL_ROOT_HOST: '%', MYSQL_DATABASE: 'checkback' })
    .withCopyContentToContainer([{ content: readFileSync(dockerFile('mysql', 'my.cnf')), target: '/etc/mysql/conf.d/checkback.cnf' }])
    .withExposedPorts(3306)
    // The official image starts a server without a port first, to set the password.
    .withWaitStrategy(Wait.forLogMessage(/ready for connections\. Version.*port: 3306\b/));
  const namesrv = container('namesrv', images.rocketmq)
    .withCommand(['sh', 'mqnamesrv'])
    .withEnvironment({ JAVA_OPT_EXT: '-Xms32m -Xmx96m -Xmn16m' })
    // The broker's as well: it lives in this container's network, so that both find each other at 127.0.0.1. Broker and
    // proxy tell clients their ports, which therefore are the same outside as inside.
    .withExposedPorts(9876, { container: ports.grpc, host: ports.grpc }, { container: ports.broker, host: ports.broker })
    .withWaitStrategy(Wait.forLogMessage(/Name Server boot success/));
  const broker = container('broker', images.rocketmq)
    .withCommand([
      'sh',
      'mqbroker',
      '--enable-proxy',
      '-n',
      '127.0.0.1:9876',
      '-c',
      '/checkback/broker.conf',
      '-pc',
      '/checkback/rmq-proxy.json',
    ])
    // Over the official image's options: 8 GB of heap, touched at start.
    .withEnvironment({
      JAVA_OPT_EXT: '-Xms256m -Xmx512m -Xmn128m -XX:MaxDirectMemorySize=768m -XX:-AlwaysPreTouch -XX:TieredStopAtLevel=1',
    })
    .withCopyContentToContainer([
      {
        content: formatProperties({
          ...brokerSettings({ profile, transactionTimeOutMs: options.transactionTimeOutMs }, ports, '0.0.0.0'),
          brokerIP1: hostIp,
        }),
        target: '/checkback/broker.conf',
      },
      { content: JSON.stringify(proxySettings(profile, ports)), target: '/checkback/rmq-proxy.json' },
    ])
    .withWaitStrategy(Wait.forLogMessage(/rocketmq-proxy startup successfully/));

  const startedAt = performance.now();
  const started = async (part: string, which: GenericContainer): Promise<Awaited<ReturnType<GenericContainer['start']>>> => {
    const lines: string[] = [];
    which.withLogConsumer((stream) => {
      stream.on('data', (chunk: Buffer | string) => lines.push(String(chunk).trimEnd())).on('error', () => undefined);
    });
    try {
      return await which.start();
    } catch (cause) {
      throw new StackError(`the ${part} container did not start: ${messageOf(cause)}\n${lines.slice(-15).join('\n')}`, { cause });
    }
  };
  const usable = async (part: string, attempt: () => Promise<void>): Promise<void> => {
    await waitUntil(attempt, { what: `${part} in its container to be usable`, timeoutMs: READY_TIMEOUT_MS, intervalMs: 250, signal });
    onProgress?.(`${part} is usable after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  };

  const startMysql = async (): Promise<string> => {
    const port = (await started('mysql', mysql)).getMappedPort(3306);
    const url = `mysql://root:${password}@${hostIp}:${port}/checkback`;
    await usable('mysql', () => ensureDatabase(url, 2000));
    return url;
  };
  const startRocketmq = async () => {
    const first = await started('name server', namesrv);
    await started('broker', broker.withNetworkMode(`container:${first.getId()}`));
    const admin = rocketmqAdmin({ namesrv: `${hostIp}:${first.getMappedPort(9876)}` });
    try {
      await usable('rocketmq', () => passProbe(`${hostIp}:${ports.grpc}`, admin));
    } catch (error) {
      admin.close();
      throw error;
    }
    return admin;
  };

  onProgress?.(`starting ${images.rocketmq} and ${images.mysql} in Docker`);
  const starts = [startMysql(), startRocketmq()] as const;
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  try {
    const [mysqlUrl, admin] = await Promise.race([Promise.all(starts), aborted]);
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> =>
      (closing ??= (async () => {
        admin.close();
        await removeContainersOf(stackId);
        callOff();
      })());
    return { kind: 'docker', endpoints: `${hostIp}:${ports.grpc}`, mysqlUrl, namesrvAddress: admin.namesrv, admin, close };
  } catch (error) {
    // Twice: what is being started fails once its container is gone, and may have made the next one by then.
    await removeContainersOf(stackId).catch(() => undefined);
    const [, rocketmq] = await Promise.allSettled(starts);
    if (rocketmq.status === 'fulfilled') rocketmq.value.close();
    await removeContainersOf(stackId).catch(() => undefined);
    callOff();
    throw error;
  }
}

/**
 * The address under which published ports are reached. On a machine that has /.dockerenv testcontainers take the gateway of
 * Docker's network, as is right inside a container; when that gateway is an address of ours, this is Docker's own machine.
 */
async function whereDockerPublishes(): Promise<{ hostIp: string; isLocal: boolean }> {
  const { host, hostIps } = (await getContainerRuntimeClient()).info.containerRuntime;
  const address = hostIps.find(({ family }) => family === 4)?.address ?? host;
  return (await isOurs(address)) ? { hostIp: '127.0.0.1', isLocal: true } : { hostIp: address, isLocal: false };
}

/** Only our own addresses can be listened on. The list of interfaces leaves out a bridge that no container is on yet. */
function isOurs(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: address, port: 0 }, () => server.close(() => resolve(true)));
  });
}

/** Publishes on loopback when Docker runs on this machine; by itself testcontainers publish to the whole network. */
class PublishedContainer extends GenericContainer {
  readonly #isLocal: boolean;

  constructor(image: string, isLocal: boolean) {
    super(image);
    this.#isLocal = isLocal;
  }

  protected override async beforeContainerCreated(): Promise<void> {
    if (!this.#isLocal) return;
    const published: Record<string, { HostIp?: string }[]> = this.hostConfig.PortBindings ?? {};
    for (const bindings of Object.values(published)) {
      for (const binding of bindings) binding.HostIp = '127.0.0.1';
    }
  }
}
