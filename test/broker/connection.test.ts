import { createRequire } from 'node:module';
import { ServerCredentials } from '@grpc/grpc-js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { bareConsumer, bareInternals, bareProducer, guard } from '../support/broker-bare-client.ts';
import { deliver, startFakeProxy, wireMessage } from '../support/broker-fake-proxy.ts';
import { startRelay } from '../support/broker-relay.ts';
import { adapter, eventually, outgoing, startProducer, TOPIC } from './harness.ts';

const require = createRequire(import.meta.url);
const pem = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'tls', name));

describe('connection to the proxy', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const later = <T extends { close(ms?: number): Promise<void> }>(closable: T): T => {
    cleanups.push(() => closable.close(1_000));
    return closable;
  };

  it.each([
    ['official', 1],
    // Its own, and the client's for everything else.
    ['lean', 2],
  ] as const)('over the %s path is %i for ever; the bare client opens a channel at every route refresh', async (path, connections) => {
    const proxy = later(await startFakeProxy());
    const rpcClient = require('rocketmq-client-nodejs/dist/client/RpcClient.js') as { RpcClient: new (...args: never[]) => object };
    const { RpcClient } = rpcClient;
    let channels = 0;
    rpcClient.RpcClient = class extends RpcClient {
      constructor(...args: never[]) {
        super(...args);
        channels += 1;
      }
    };
    cleanups.push(() => (rpcClient.RpcClient = RpcClient));
    const bare = bareProducer(proxy.endpoints, [TOPIC]);
    cleanups.push(guard(bare));
    await bare.startup();
    const atStart = channels;
    // What is sent after a refresh goes to the endpoints of the new route, which are a new key.
    for (let refresh = 1; refresh <= 5; refresh += 1) {
      await bareInternals(bare).updateRoutes();
      const [endpoints] = bareInternals(bare).getTotalRouteEndpoints();
      await bare.endTransaction(endpoints!, { topic: TOPIC } as never, 'm', 't', definitions.TransactionResolution.COMMIT);
    }
    expect(channels).toBe(atStart + 5);

    const relay = later(await startRelay(proxy.endpoints));
    proxy.script.route = () => [relay.endpoints];
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const producer = later(await startProducer(relay.endpoints, { path, requestTimeoutMs: 10_000 }));
    for (let refresh = 1; refresh <= 5; refresh += 1) {
      const before = proxy.requests('queryRoute').length;
      vi.advanceTimersByTime(30_000);
      await eventually(() => expect(proxy.requests('queryRoute').length).toBeGreaterThan(before));
      await (await producer.sendHalf(outgoing())).end('COMMIT');
    }
    expect(relay.connectionsOpened).toBe(connections);
  });

  it('is given up when it was cut without a word, and check-backs arrive on a new one; the bare client waits on the dead one', async () => {
    const proxy = later(await startFakeProxy());
    const [bareRelay, ourRelay] = [later(await startRelay(proxy.endpoints)), later(await startRelay(proxy.endpoints))];
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    proxy.script.route = () => [bareRelay.endpoints];
    const warn = vi.fn();
    const bare = bareProducer(bareRelay.endpoints, [TOPIC], undefined, { debug() {}, info() {}, warn, error() {} });
    cleanups.push(guard(bare));
    await bare.startup();
    proxy.script.route = () => [ourRelay.endpoints];
    later(await startProducer(ourRelay.endpoints, { checkBack: async () => 'COMMIT' }));
    for (const stream of proxy.streams) stream.removeAllListeners('cancelled');
    bareRelay.cutSilently();
    ourRelay.cutSilently();
    for (let missed = 1; missed <= 2; missed += 1) {
      vi.advanceTimersByTime(10_000);
      await eventually(() => expect(warn).toHaveBeenCalledTimes(missed));
    }
    await eventually(() => expect(ourRelay.connectionsOpened).toBe(2));
    await eventually(() => expect(proxy.streamsOpened).toBe(3));
    proxy.checkBack({ topic: TOPIC, transactionId: 'T' });
    await eventually(() => expect(proxy.requests('endTransaction')).toHaveLength(1));
    expect(bareRelay.connectionsOpened).toBe(1);
  });

  it('takes batches of more than 4 MiB, which the bare client refuses', async () => {
    const body = 'x'.repeat(3 * 1024 * 1024);
    const proxy = later(await startFakeProxy());
    proxy.script.receive = (poll) => deliver(poll, [wireMessage({ topic: TOPIC, messageId: 'big', body: body + body })]);
    const bare = bareConsumer(proxy.endpoints, TOPIC);
    cleanups.push(guard(bare));
    await bare.startup();
    await expect(bare.receive(1, 10_000)).rejects.toThrow(/RESOURCE_EXHAUSTED/);
    const consumer = later(await adapter(proxy.endpoints).startConsumer({ topic: TOPIC, group: 'g' }));
    expect(await consumer.receive(1, 10_000)).toMatchObject([{ message: { messageId: 'big' } }]);
  });

  it('never goes through the web proxy of the environment, as that of the bare client does', async () => {
    const proxy = later(await startFakeProxy());
    vi.stubEnv('http_proxy', 'http://127.0.0.1:1');
    vi.stubEnv('no_proxy', '');
    const bare = bareProducer(proxy.endpoints, [TOPIC]);
    cleanups.push(guard(bare));
    await expect(bareInternals(bare).updateRoutes()).rejects.toThrow(/UNAVAILABLE|DEADLINE/);
    later(await startProducer(proxy.endpoints));
  });

  it('is verified against an authority of our own, which the bare client cannot be given', async () => {
    const pair = [{ private_key: pem('server.key.pem'), cert_chain: pem('server.pem') }];
    const proxy = later(await startFakeProxy({ credentials: ServerCredentials.createSsl(null, pair) }));
    const bare = bareProducer(proxy.endpoints, [TOPIC], undefined, undefined, { sslEnabled: true });
    cleanups.push(guard(bare));
    await expect(bareInternals(bare).updateRoutes()).rejects.toThrow(/certificate/);
    later(await startProducer(proxy.endpoints, { tls: { ca: pem('authority.pem').toString() } }));
    await expect(startProducer(proxy.endpoints, { tls: true, startTimeoutMs: 1_000 })).rejects.toThrow(/certificate/);
  });
});
