import { afterEach, describe, expect, it, vi } from 'vitest';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { bareProducer, guard } from '../support/broker-bare-client.ts';
import { type FakeProxy, type TelemetryStream, reconnectCommand, replyToSettings, startFakeProxy } from '../support/broker-fake-proxy.ts';
import { runAdapterChild, runBareChild } from './run-child.ts';
import { eventually, startProducer, TOPIC } from './harness.ts';

const status = { INTERNAL: 13 };
const clientId = (stream: TelemetryStream): unknown => stream.metadata.get('x-mq-client-id')[0];

describe('telemetry stream', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const fakeProxy = async (...args: Parameters<typeof startFakeProxy>): Promise<FakeProxy> => {
    const proxy = await startFakeProxy(...args);
    cleanups.push(() => proxy.close());
    return proxy;
  };
  const fail = (proxy: FakeProxy): void => {
    for (const stream of proxy.streams) stream.emit('error', { code: status.INTERNAL, details: 'scripted' });
  };

  it('ends a process that uses the bare client when a released stream fails, and not one that uses the adapter', async () => {
    const proxy = await fakeProxy();
    // Whoever is told to reconnect lets its stream go, and the connection breaks before the proxy has answered that.
    proxy.script.telemetry = (stream, command) => {
      stream.write(replyToSettings(command));
      stream.removeAllListeners('end');
      stream.on('end', () => stream.emit('error', { code: status.INTERNAL, details: 'connection broke' }));
      if (proxy.streamsOpened % 2 === 1) stream.write(reconnectCommand());
    };
    expect(await runBareChild('startup', proxy.endpoints)).toMatchObject({ code: 1, stderr: expect.stringContaining('connection broke') });
    const opened = proxy.streamsOpened;
    expect(await runAdapterChild('until-reconnected', proxy.endpoints)).toMatchObject({ code: 0, stderr: '' });
    expect(proxy.streamsOpened).toBeGreaterThanOrEqual(opened + 2);
  });

  it('comes back from the dead with the bare client and answers check-backs after shutdown(); closed, the adapter stays closed', async () => {
    const proxy = await fakeProxy();
    const bare = bareProducer(proxy.endpoints, [TOPIC], async () => definitions.TransactionResolution.COMMIT);
    cleanups.push(guard(bare));
    await bare.startup();
    const producer = await startProducer(proxy.endpoints, { checkBack: async () => 'COMMIT' });
    fail(proxy);
    await eventually(() => expect(proxy.streams.size).toBe(0));
    await bare.shutdown();
    await producer.close();
    // Both had planned to come back within the same second.
    await eventually(() => expect(proxy.streams.size).toBe(1));
    expect([...proxy.streams].map(clientId)).toEqual([bare.clientId]);
    proxy.checkBack({ topic: TOPIC, transactionId: 'T' });
    await eventually(() => expect(proxy.requests('endTransaction')).toHaveLength(1));
  });

  it('is opened again with its settings after every failure, and check-backs are answered on the new one', async () => {
    const proxy = await fakeProxy();
    const producer = await startProducer(proxy.endpoints, { checkBack: async () => 'ROLLBACK' });
    cleanups.push(() => producer.close());
    for (let cut = 1; cut <= 3; cut += 1) {
      const before = proxy.settingsReceived;
      fail(proxy);
      await eventually(() => expect(proxy.settingsReceived).toBeGreaterThan(before));
      proxy.checkBack({ topic: TOPIC, transactionId: `T${cut}` });
      await eventually(() => expect(proxy.requests('endTransaction')).toHaveLength(cut));
    }
  });

  it('survives settings that make the bare client throw', async () => {
    const proxy = await fakeProxy();
    const producer = await startProducer(proxy.endpoints, { checkBack: async () => 'COMMIT' });
    cleanups.push(() => producer.close());
    const customized = new definitions.RetryPolicy().setMaxAttempts(1).setCustomizedBackoff(new definitions.CustomizedBackoff());
    const settings = new definitions.Settings().setPublishing(new definitions.Publishing()).setBackoffPolicy(customized);
    for (const stream of proxy.streams) stream.write(new serviceMessages.TelemetryCommand().setSettings(settings));
    proxy.checkBack({ topic: TOPIC, transactionId: 'T' });
    await eventually(() => expect(proxy.requests('endTransaction')).toHaveLength(1));
  });

  it('is let go when no topic is routed to its address any more; the bare client knocks there for ever', async () => {
    const [left, home] = [await fakeProxy(), await fakeProxy()];
    home.script.route = () => [left.endpoints];
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    cleanups.push(async () => vi.useRealTimers());
    const bare = bareProducer(home.endpoints, [TOPIC]);
    cleanups.push(guard(bare));
    await bare.startup();
    const info = vi.fn();
    const producer = await startProducer(home.endpoints, { logger: { debug() {}, info, warn() {}, error() {} } });
    cleanups.push(() => producer.close());
    expect(left.streams.size).toBe(2);
    home.script.route = () => [home.endpoints];
    vi.advanceTimersByTime(30_000);
    await eventually(() => expect(home.streams.size).toBe(2));
    const opened = left.streamsOpened;
    fail(left);
    await eventually(() => expect(info).toHaveBeenCalledWith({ address: left.endpoints }, expect.stringContaining('let go')));
    await eventually(() => expect(left.streamsOpened).toBe(opened + 1));
    expect([...left.streams].map(clientId)).toEqual([bare.clientId]);
  });

  it('tells a proxy that answers a heartbeat with "unknown client" its settings again; the bare client does not look', async () => {
    const proxy = await fakeProxy();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    cleanups.push(async () => vi.useRealTimers());
    proxy.script.answer = (method) => (method === 'heartbeat' ? definitions.Code.UNRECOGNIZED_CLIENT_TYPE : definitions.Code.OK);
    const bare = bareProducer(proxy.endpoints, [TOPIC]);
    cleanups.push(guard(bare));
    await bare.startup();
    vi.advanceTimersByTime(10_000);
    await eventually(() => expect(proxy.requests('heartbeat')).toHaveLength(1));
    await bare.shutdown();
    expect(proxy.settingsReceived).toBe(1);

    const producer = await startProducer(proxy.endpoints);
    cleanups.push(() => producer.close());
    expect(proxy.settingsReceived).toBe(2);
    vi.advanceTimersByTime(10_000);
    await eventually(() => expect(proxy.settingsReceived).toBe(3));
  });
});
