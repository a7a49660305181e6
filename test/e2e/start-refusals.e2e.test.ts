import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startProcess } from '../support/publishing-processes.ts';
import { openShop } from '../support/publishing-shop.ts';
import { createTopic, useStack } from '../support/stack.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { openConnections } from './support/open-connections.ts';
import type { StartReport, StartRequest } from './support/start-and-refuse.ts';

const START_TIMEOUT_MS = 3_000;
/** On top of what is configured; starting Node and reading the sources is not in it. */
const SLACK_MS = 5_000;
/** For a child that has nothing left to do. */
const EXIT_MS = 30_000;

/** Starts in a child process, which has to be without connections after its report, and to end by itself. */
async function startIn(
  request: Partial<StartRequest> & Pick<StartRequest, 'topics'>,
  afterwards: () => Promise<void> = async () => {},
): Promise<StartReport> {
  const { endpoints, mysqlUrl } = useStack();
  const whole: StartRequest = {
    as: 'publisher',
    endpoints,
    mysqlUrl,
    startTimeoutMs: START_TIMEOUT_MS,
    requestTimeoutMs: 1_000,
    ...request,
  };
  await using child = startProcess<StartReport>('test/e2e/support/start-and-refuse.ts', [JSON.stringify(whole)], { driven: true });
  let isOver = false;
  void child.ended.then(() => (isOver = true));
  await expect.poll(() => isOver || child.reports.length === 2, { timeout: 60_000 }).toBe(true);
  if (isOver) throw new Error(`it ended before it was told to: ${child.saidToStderr()}`);
  await afterwards();
  // A channel that nobody closed keeps no process alive, and is a leak in one that goes on.
  await expect.poll(() => openConnections(child.pid), { timeout: 10_000 }).toEqual([]);
  child.send({});
  const reportedAt = performance.now();
  const { how, stderr } = await Promise.race([child.ended, after(EXIT_MS, `still alive ${EXIT_MS} ms after its report`)]);
  expect({ how, stderr }).toEqual({ how: 0, stderr: '' });
  expect(performance.now() - reportedAt).toBeLessThan(EXIT_MS);
  return child.reports[0]!;
}

function after(ms: number, what: string): Promise<never> {
  return new Promise((_, reject) => void setTimeout(() => reject(new Error(what)), ms).unref());
}

/** A port of loopback where nobody listens. */
async function deadEndpoints(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return `127.0.0.1:${port}`;
}

describe('A start that cannot work', () => {
  it('starts with a topic of the right type, for comparison, and leaves nothing alive', async () => {
    expect(await startIn({ topics: [await createTopic()] })).toMatchObject({ name: 'started' });
  });

  it('is refused for a missing topic, by its name', async () => {
    const { endpoints } = useStack();
    const report = await startIn({ topics: ['no-such-topic'] });
    expect(report).toMatchObject({
      name: 'ConfigurationError',
      code: 'CB_CONFIGURATION',
      message: expect.stringContaining('"no-such-topic" does not exist'),
    });
    expect(report.message).toContain(endpoints);
  });

  it('is refused for a NORMAL topic, saying what it takes and what it should', async () => {
    const topic = await createTopic('NORMAL');
    expect(await startIn({ topics: [topic] })).toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringMatching(new RegExp(`"${topic}".* takes NORMAL, not TRANSACTION: .*message\\.type=TRANSACTION`)),
    });
  });

  it('is refused when one topic of two is missing, whichever comes first', async () => {
    const topic = await createTopic();
    for (const topics of [
      [topic, 'no-such-second'],
      ['no-such-second', topic],
    ]) {
      expect(await startIn({ topics })).toMatchObject({ name: 'ConfigurationError', message: expect.stringContaining('"no-such-second"') });
    }
  });

  it('is refused as a consumer for a missing topic, by its name', async () => {
    expect(await startIn({ as: 'consumer', topics: ['no-such-topic'] })).toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining('"no-such-topic"'),
    });
  });

  it.each(['publisher', 'consumer'] as const)('is refused as a %s in its time when nobody listens at the endpoints', async (as) => {
    const endpoints = await deadEndpoints();
    const report = await startIn({ as, endpoints, topics: ['orders'] });
    expect(report).toMatchObject({ name: 'BrokerError', code: 'CB_BROKER', message: expect.stringContaining(endpoints) });
    expect(report.tookMs).toBeLessThan(START_TIMEOUT_MS + SLACK_MS);
  });

  it.each(['publisher', 'consumer'] as const)(
    'is refused as a %s in its time when the endpoints take the connection and never answer',
    async (as) => {
      const [host = '', port] = useStack().endpoints.split(':');
      await using wire = await startTcpProxy({ host, port: Number(port) });
      wire.blackhole();
      // A socket that is closed to a peer that does not take notice is held until it does.
      const report = await startIn({ as, endpoints: `${wire.host}:${wire.port}`, topics: ['orders', 'more', 'even-more'] }, () =>
        wire.pass(),
      );
      expect(report).toMatchObject({ name: 'BrokerError', code: 'CB_BROKER' });
      expect(report.tookMs).toBeLessThan(START_TIMEOUT_MS + SLACK_MS);
    },
  );
});

describe('checkback worker', () => {
  it('names what is wrong and exits: 2 for a missing topic, 1 for a broker that is not there', async () => {
    await using shop = await openShop('refused');
    const args = ['worker', '--config', 'test/e2e/support/shop.config.ts'];
    await using misnamed = startProcess('src/cli/main.ts', args, { env: { ...shop.env, CHECKBACK_TEST_TOPIC: 'no-such-topic' } });
    await using alone = startProcess('src/cli/main.ts', args, {
      env: { ...shop.env, CHECKBACK_ROCKETMQ_ENDPOINTS: await deadEndpoints() },
    });
    expect(await misnamed.ended).toMatchObject({
      how: 2,
      stderr: expect.stringMatching(/checkback: topic "no-such-topic".* does not exist/),
    });
    expect(await alone.ended).toMatchObject({ how: 1, stderr: expect.stringContaining('no answer from the RocketMQ proxy') });
  });
});
