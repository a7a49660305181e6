import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigurationError, HalfMessageError } from '../../src/errors.ts';
import { bareProducer, guard } from '../support/broker-bare-client.ts';
import { replyToSettings, startFakeProxy, type FakeProxy } from '../support/broker-fake-proxy.ts';
import { startRelay } from '../support/broker-relay.ts';
import { eventually, outgoing, startProducer, TOPIC } from './harness.ts';
import { runAdapterChild } from './run-child.ts';

const PENDING = Symbol('pending');
/** How a promise stands now, without waiting for it. */
const stateOf = (promise: Promise<unknown>): Promise<unknown> => Promise.race([promise, Promise.resolve(PENDING)]);

describe('starting and closing', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const later = <T extends { close(ms?: number): Promise<void> }>(closable: T): T => {
    cleanups.push(() => closable.close(1_000));
    return closable;
  };
  const bareStartup = (proxy: FakeProxy, topics: string[]): Promise<void> => {
    const bare = bareProducer(proxy.endpoints, topics);
    cleanups.push(guard(bare));
    const startup = bare.startup();
    startup.catch(() => {});
    return startup;
  };

  it('gives up at its deadline when telemetry is dead; the bare client waits for ever', async () => {
    const proxy = later(await startFakeProxy({ script: { telemetry: () => {} } }));
    const bare = bareStartup(proxy, [TOPIC]);
    await expect(startProducer(proxy.endpoints, { startTimeoutMs: 1_500 })).rejects.toThrow(/did not start .*: not ready within 1500 ms/);
    expect(await stateOf(bare)).toBe(PENDING);
  });

  it('starts although the settings reply came before anybody waited for it; the bare client waits for the next, five minutes', async () => {
    const proxy = later(await startFakeProxy());
    let replied = Promise.withResolvers<void>();
    let passes = 0;
    proxy.script.telemetry = (stream, command) => {
      stream.write(replyToSettings(command));
      // On the same connection behind the reply.
      setImmediate(() => setImmediate(replied.resolve));
    };
    // The client has sent its settings for the first topic by now, and waits for their reply only when it has this route too.
    proxy.script.route = async (topic) => {
      if (topic === 'second') {
        if (passes > 0) passes -= 1;
        else await replied.promise;
      }
      return [proxy.endpoints];
    };
    const bare = bareStartup(proxy, ['first', 'second']);
    await replied.promise;
    replied = Promise.withResolvers();
    // Our own look at the topic comes before any settings.
    passes = 1;
    later(await startProducer(proxy.endpoints, { topics: ['first', 'second'] }));
    expect(await stateOf(bare)).toBe(PENDING);
  });

  it('names the topic that is missing at once; the bare client neither starts nor says why', async () => {
    const proxy = later(await startFakeProxy());
    proxy.script.route = (topic) => (topic === 'missing' ? undefined : [proxy.endpoints]);
    const bare = bareStartup(proxy, [TOPIC, 'missing']);
    const refused = startProducer(proxy.endpoints, { topics: ['missing', TOPIC] });
    await expect(refused).rejects.toThrow(ConfigurationError);
    await expect(refused).rejects.toThrow('topic "missing" does not exist');
    expect(await stateOf(bare)).toBe(PENDING);
  });

  it('has one deadline for all topics together', async () => {
    const proxy = later(await startFakeProxy({ script: { answer: () => 'hang' } }));
    const startedAt = performance.now();
    await expect(
      startProducer(proxy.endpoints, { topics: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], startTimeoutMs: 1_500 }),
    ).rejects.toThrow(/no answer .* within 1500 ms/);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('is refused at once, and not retried, when the proxy refuses', async () => {
    const proxy = later(await startFakeProxy({ script: { answer: () => definitions.Code.UNAUTHORIZED } }));
    await expect(startProducer(proxy.endpoints)).rejects.toMatchObject({ code: 'CB_BROKER', retryable: false });
    expect(proxy.requests('queryRoute')).toHaveLength(1);
  });

  it('closes although the proxy is gone, where shutdown() of the bare client rejects', async () => {
    const proxy = await startFakeProxy();
    const bare = bareProducer(proxy.endpoints, [TOPIC]);
    cleanups.push(guard(bare));
    await bare.startup();
    const producer = await startProducer(proxy.endpoints);
    await proxy.close();
    await expect(bare.shutdown()).rejects.toThrow(/UNAVAILABLE|DEADLINE/);
    await expect(producer.close(1_000)).resolves.toBeUndefined();
    await expect(producer.close()).resolves.toBeUndefined();
  });

  it('closes within its deadline when the proxy answers nothing', async () => {
    const proxy = later(await startFakeProxy());
    const producer = await startProducer(proxy.endpoints, { requestTimeoutMs: 30_000 });
    proxy.script.answer = () => 'hang';
    const hanging = producer.sendHalf(outgoing());
    const rejected = hanging.catch((error: unknown) => error);
    const startedAt = performance.now();
    await producer.close(300);
    expect(await rejected).toBeInstanceOf(HalfMessageError);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('waits for sends under way before it closes; the bare client says goodbye in the middle of them', async () => {
    const proxy = later(await startFakeProxy());
    const producer = await startProducer(proxy.endpoints);
    const gate = Promise.withResolvers<void>();
    proxy.script.receipt = () => gate.promise;
    const sending = producer.sendHalf(outgoing());
    await eventually(() => expect(proxy.requests('sendMessage')).toHaveLength(1));
    const closing = producer.close(5_000);

    const bare = bareProducer(proxy.endpoints, [TOPIC]);
    cleanups.push(guard(bare));
    await bare.startup();
    const bareSending = bare.send({ topic: TOPIC, body: Buffer.from('{}') }, bare.beginTransaction());
    bareSending.catch(() => {});
    await eventually(() => expect(proxy.requests('sendMessage')).toHaveLength(2));
    await bare.shutdown();
    // Only the bare client's: ours came to close() first.
    expect(proxy.requests('notifyClientTermination')).toHaveLength(1);
    gate.resolve();
    await expect(sending).resolves.toMatchObject({ messageId: expect.any(String) });
    await closing;
    expect(proxy.requests('notifyClientTermination')).toHaveLength(2);
  });

  it('sends nothing once closed, nor to a topic it was not started for', async () => {
    const proxy = later(await startFakeProxy());
    const producer = await startProducer(proxy.endpoints);
    await expect(producer.sendHalf(outgoing('other'))).rejects.toThrow('the producer was started for orders');
    await producer.close();
    await expect(producer.sendHalf(outgoing())).rejects.toMatchObject({ name: 'HalfMessageError', retryable: false });
    expect(proxy.requests('sendMessage')).toHaveLength(0);
    expect(proxy.requests('queryRoute')).toHaveLength(2);
  });
});

describe('a process that uses the adapter', { timeout: 120_000 }, () => {
  const ends = { code: 0, stderr: '' };

  it('ends by itself after close(), with nothing left alive', async () => {
    const proxy = await startFakeProxy();
    expect(await runAdapterChild('idle', proxy.endpoints)).toMatchObject({ ...ends, stdout: '[]\n' });
    await proxy.close();
  });

  it('ends by itself although it closed in the middle of sends, a long poll and a check-back', async () => {
    const proxy = await startFakeProxy();
    expect(await runAdapterChild('busy', proxy.endpoints)).toMatchObject({ ...ends, stdout: 'ClosedError\n[]\n' });
    await proxy.close();
  });

  it('ends by itself after a start that failed, whatever it was waiting for', async () => {
    // Routes fail once ours is known: the client sleeps between its attempts.
    const failing = await startFakeProxy();
    failing.script.answer = (method) =>
      method === 'queryRoute' && failing.requests('queryRoute').length > 1 ? definitions.Code.INTERNAL_SERVER_ERROR : definitions.Code.OK;
    expect(await runAdapterChild('failed-start', failing.endpoints)).toMatchObject({ ...ends, stdout: 'BrokerError\n[]\n' });
    await failing.close();
    const silent = await startFakeProxy({ script: { telemetry: () => {} } });
    expect(await runAdapterChild('failed-start', silent.endpoints)).toMatchObject({ ...ends, stdout: 'BrokerError\n[]\n' });
    await silent.close();
    expect(await runAdapterChild('failed-start', silent.endpoints)).toMatchObject({ ...ends, stdout: 'BrokerError\n[]\n' });
  });

  it('ends by itself although it closed while its telemetry stream waited to be opened again', async () => {
    const proxy = await startFakeProxy();
    const relay = await startRelay(proxy.endpoints);
    proxy.script.route = () => [relay.endpoints];
    const child = runAdapterChild('proxy-gone', relay.endpoints);
    await eventually(() => expect(proxy.settingsReceived).toBeGreaterThan(0));
    await proxy.close();
    expect(await child).toMatchObject({ ...ends, stdout: 'ready\n[]\n' });
    await relay.close();
  });
});
