/**
 * The adapter in a process of its own, which must end by itself: nothing here calls `process.exit`. Arguments: scenario,
 * endpoints. After `close()` it prints what would keep it alive, as JSON.
 */
import { pino } from 'pino';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';

const [scenario, endpoints = '', topic = 'orders', group = 'g'] = process.argv.slice(2);
const lines: string[] = [];
const logger = pino({ level: 'debug', hooks: { logMethod: (args) => void lines.push(String(args[1])) } });
const broker = rocketmq({ endpoints, logger, requestTimeoutMs: 1_000, startTimeoutMs: scenario === 'failed-start' ? 1_500 : 10_000 });
const startProducer = (checkBack: () => Promise<'UNKNOWN'> = async () => 'UNKNOWN') =>
  broker.startTransactionalProducer({ topics: [topic], checkBack });
const message = { topic, tag: 't', keys: [], properties: {}, body: Buffer.from('{}') };
const untilLogged = async (what: RegExp): Promise<void> => {
  while (!lines.some((line) => what.test(line))) await new Promise((resolve) => setImmediate(resolve));
};

switch (scenario) {
  case 'idle': {
    const producer = await startProducer();
    await producer.close();
    break;
  }
  case 'busy': {
    // Everything at once: sends, an END that is not awaited, a long poll, a check-back that never answers.
    const producer = await startProducer(() => new Promise(() => {}));
    const consumer = await broker.startConsumer({ topic, group, longPollMs: 20_000 });
    const half = await producer.sendHalf(message);
    void half.end('COMMIT').catch(() => {});
    void producer.sendHalf(message).catch(() => {});
    const poll = consumer.receive(1, 10_000).catch((error: unknown) => process.stdout.write(`${(error as Error).name}\n`));
    await Promise.all([producer.close(), consumer.close(), poll]);
    break;
  }
  case 'until-reconnected': {
    const producer = await startProducer();
    await untilLogged(/Syncing settings to new stream/);
    await producer.sendHalf(message);
    await producer.close();
    break;
  }
  case 'proxy-gone': {
    // Tells the parent to take the proxy away, and closes while the telemetry stream waits to be opened again.
    const producer = await startProducer();
    process.stdout.write('ready\n');
    await untilLogged(/telemetry stream lost/);
    await producer.close(1_500);
    break;
  }
  case 'failed-start':
    await startProducer().then(
      () => process.stdout.write('started\n'),
      (error: unknown) => process.stdout.write(`${(error as Error).name}\n`),
    );
    break;
  default:
    throw new Error(`no scenario ${scenario}`);
}
// Closing sockets report in the next turn.
await new Promise((resolve) => setImmediate(resolve));
const alive = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || /TCP|TLS|Getaddr/.test(name));
process.stdout.write(`${JSON.stringify(alive)}\n`);
