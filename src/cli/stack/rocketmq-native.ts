import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sendProbeMessage } from './grpc-probe.ts';
import { managedProcess, type ManagedProcess } from './managed-process.ts';
import type { StackPorts } from './ports.ts';
import { formatProperties } from './properties-file.ts';
import type { RocketmqAdmin } from './rocketmq-admin.ts';
import { brokerSettings, proxySettings, type RocketmqProfileOptions } from './rocketmq-profile.ts';

/** RocketMQ of our own on loopback: a name server, and a broker with the proxy inside it. */
export type RocketmqOptions = RocketmqProfileOptions & {
  readonly lib: string;
  /** Store, logs, configuration: everything it writes. */
  readonly dataDir: string;
  readonly logDir: string;
  readonly ports: StackPorts;
  readonly admin: RocketmqAdmin;
  readonly onStart?: ((name: string, pid: number) => void) | undefined;
  readonly onUnexpectedExit?: ((reason: string) => void) | undefined;
};

/** Messages to it prove that the stack works; nobody reads them. */
export const PROBE_TOPIC = 'checkback-stack-probe';

/** Writes the configuration and gives the two processes, not yet started. Configuration is written anew each time. */
export function rocketmqProcesses(options: RocketmqOptions): { namesrv: ManagedProcess; broker: ManagedProcess } {
  const { dataDir, ports, admin } = options;
  const conf = join(dataDir, 'conf');
  mkdirSync(conf, { recursive: true });
  const file = (name: string, text: string): string => {
    writeFileSync(join(conf, name), text);
    return join(conf, name);
  };
  const namesrvConf = file('namesrv.conf', formatProperties({ listenPort: String(ports.namesrv), bindAddress: '127.0.0.1' }));
  const brokerConf = file('broker.conf', formatProperties(brokerSettings(options, ports, '127.0.0.1')));
  const proxyConf = file('rmq-proxy.json', `${JSON.stringify(proxySettings(options.profile, ports), null, 2)}\n`);

  const java = (
    name: string,
    logback: string,
    memory: readonly string[],
    main: readonly string[],
    isUsable: () => Promise<void>,
  ): ManagedProcess =>
    managedProcess({
      name,
      command: 'java',
      args: [
        ...memory,
        ...(options.profile === 'test' ? ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'] : []),
        '-Xshare:auto',
        // Its store and its logs go under the home directory, wherever that is said to be.
        `-Duser.home=${dataDir}`,
        `-Drocketmq.home.dir=${dataDir}`,
        // A file inside the jars.
        `-Drmq.logback.configurationFile=${logback}`,
        '-cp',
        join(options.lib, '*'),
        ...main,
      ],
      cwd: dataDir,
      logFile: join(options.logDir, `${name}.log`),
      isUsable,
      startTimeoutMs: 120_000,
      // Killed at once: what it acknowledged is in its mapped files, a kill loses none of it, and its orderly end takes 12–18 s
      // (two shutdown hooks wait for each other). Who wants that one sends SIGTERM and waits.
      stopTimeoutMs: 0,
      onStart: (pid) => options.onStart?.(name, pid),
      onUnexpectedExit: options.onUnexpectedExit,
    });

  const brokerMemory =
    options.profile === 'test'
      ? ['-Xms256m', '-Xmx512m', '-XX:MaxDirectMemorySize=768m']
      : ['-Xms1g', '-Xmx1g', '-XX:MaxDirectMemorySize=1g'];
  const broker = java(
    'broker',
    'rmq.proxy.logback.xml',
    brokerMemory,
    ['org.apache.rocketmq.proxy.ProxyStartup', '-pm', 'local', '-n', `127.0.0.1:${ports.namesrv}`, '-bc', brokerConf, '-pc', proxyConf],
    async () => {
      // It announces itself once while starting, and if the name server was not there yet, again only 10–60 s later.
      if ((await admin.brokers()).length === 0) await admin.announceBroker(`127.0.0.1:${ports.broker}`);
      await passProbe(`127.0.0.1:${ports.grpc}`, admin);
    },
  );
  const namesrv = java(
    'namesrv',
    'rmq.namesrv.logback.xml',
    ['-Xms32m', '-Xmx96m'],
    ['org.apache.rocketmq.namesrv.NamesrvStartup', '-c', namesrvConf],
    async () => {
      const known = await admin.brokers();
      if (known.length > 0 || !broker.running) return;
      // After a restart it knows nobody until the broker's next turn, up to 10 s: have it announced now. A broker that does
      // not answer is itself still starting, and announces itself when it is done.
      const isAnswering = await admin.announceBroker(`127.0.0.1:${ports.broker}`).then(
        () => true,
        () => false,
      );
      if (isAnswering) throw new Error('it knows no broker yet');
    },
  );
  return { namesrv, broker };
}

/** A message goes in through the proxy and can be read: nothing less is "usable". */
export async function passProbe(endpoints: string, admin: RocketmqAdmin): Promise<void> {
  await admin.createTopic(PROBE_TOPIC, 'NORMAL', { queues: 1 });
  const before = await admin.maxOffset(PROBE_TOPIC);
  await sendProbeMessage(endpoints, PROBE_TOPIC, 3000);
  const after = await admin.maxOffset(PROBE_TOPIC);
  if (after <= before) throw new Error(`the probe message was taken but cannot be read yet (offset ${after})`);
}
