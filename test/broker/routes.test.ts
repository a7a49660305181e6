import { createRequire } from 'node:module';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type * as service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { bareInternals, bareProducer, guard } from '../support/broker-bare-client.ts';
import { type FakeProxy, startFakeProxy } from '../support/broker-fake-proxy.ts';
import { eventually, outgoing, startProducer, TOPIC } from './harness.ts';

const require = createRequire(import.meta.url);
const sends = (proxy: FakeProxy): number => proxy.requests('sendMessage').length;

describe('routes and sending', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    vi.useRealTimers();
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const later = <T extends { close(ms?: number): Promise<void> }>(closable: T): T => {
    cleanups.push(() => closable.close(1_000));
    return closable;
  };
  const bareStarted = async (endpoints: string, topics = [TOPIC]) => {
    const bare = bareProducer(endpoints, topics);
    cleanups.push(guard(bare));
    await bare.startup();
    const send = (topic = TOPIC): Promise<unknown> => bare.send({ topic, body: Buffer.from('{}') }, bare.beginTransaction());
    return { bare, send };
  };

  it('follow a topic that moves; the bare producer sends to its first address for ever', async () => {
    const [home, moved] = [later(await startFakeProxy()), later(await startFakeProxy())];
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { send } = await bareStarted(home.endpoints);
    const producer = later(await startProducer(home.endpoints));
    await Promise.all([send(), producer.sendHalf(outgoing())]);
    home.script.route = () => [moved.endpoints];
    vi.advanceTimersByTime(30_000);
    await eventually(() => expect(moved.streams.size).toBe(2));
    await send();
    expect([sends(home), sends(moved)]).toEqual([3, 0]);
    await producer.sendHalf(outgoing());
    expect([sends(home), sends(moved)]).toEqual([3, 1]);
  });

  it('follow a topic although another one is gone; the bare client stops at the first that fails', async () => {
    const [home, moved] = [later(await startFakeProxy()), later(await startFakeProxy())];
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { bare } = await bareStarted(home.endpoints, ['deleted', TOPIC]);
    const producer = later(await startProducer(home.endpoints, { topics: ['deleted', TOPIC] }));
    home.script.route = (topic) => (topic === 'deleted' ? undefined : [moved.endpoints]);
    vi.advanceTimersByTime(30_000);
    await eventually(() => expect(moved.streams.size).toBe(1));
    await expect(bareInternals(bare).updateRoutes()).rejects.toThrow('No topic route info');
    expect([...moved.streams].map((stream) => stream.metadata.get('x-mq-client-id')[0])).not.toContain(bare.clientId);
    await producer.sendHalf(outgoing());
    expect(sends(moved)).toBe(1);
  });

  it('come back to a broker that failed once; the bare client avoids it for ever', async () => {
    const [one, two] = [later(await startFakeProxy()), later(await startFakeProxy())];
    one.script.route = () => [one.endpoints, two.endpoints];
    const { bare, send } = await bareStarted(one.endpoints);
    const producer = later(await startProducer(one.endpoints));
    const failing = (method: string) => (method === 'sendMessage' ? definitions.Code.INTERNAL_SERVER_ERROR : definitions.Code.OK);
    two.script.answer = failing;
    const halfOf = (): Promise<unknown> => producer.sendHalf(outgoing());
    for (const attempt of [send, send, halfOf, halfOf]) await attempt().catch(() => {});
    two.script.answer = () => definitions.Code.OK;
    expect([...bareInternals(bare).isolated.keys()]).toEqual([two.endpoints]);
    const before = sends(two);
    for (let n = 0; n < 4; n += 1) await send();
    expect(sends(two)).toBe(before);
    for (let n = 0; n < 4; n += 1) await producer.sendHalf(outgoing());
    expect(sends(two)).toBe(before + 2);
  });

  it('send a half once, under an id that no other process makes; two bare clients in containers make the same', async () => {
    const path = require.resolve('rocketmq-client-nodejs/dist/message/MessageId.js');
    const container = (): { create(): { toString(): string }; MAC: string } => {
      const kept = require.cache[path];
      delete require.cache[path];
      const { MessageIdFactory } = require(path) as { MessageIdFactory: { create(): { toString(): string }; MAC: string } };
      require.cache[path] = kept;
      // What Docker's default bridge gives the first container of every host; its process is number 1 there, ours here.
      MessageIdFactory.MAC = '0242ac110002';
      return MessageIdFactory;
    };
    vi.useFakeTimers({ toFake: ['Date'] });
    expect(container().create().toString()).toBe(container().create().toString());
    vi.useRealTimers();

    const proxy = later(await startFakeProxy());
    const producer = later(await startProducer(proxy.endpoints));
    const halves = await Promise.all(Array.from({ length: 100 }, () => producer.sendHalf(outgoing())));
    // Without the part that all messages of a container have in common: version, MAC, process id.
    expect(new Set(halves.map((half) => half.messageId.slice(0, 18))).size).toBe(100);
    for (const { messageId } of halves) expect(messageId).toMatch(/^01[0-9A-F]{32}$/);
    proxy.script.answer = () => definitions.Code.INTERNAL_SERVER_ERROR;
    await expect(producer.sendHalf(outgoing())).rejects.toMatchObject({ code: 'CB_HALF_MESSAGE', retryable: true });
    expect(sends(proxy)).toBe(101);
  });

  it('carry the message as it was given, and its END to where it was sent', async () => {
    const proxy = later(await startFakeProxy());
    const producer = later(await startProducer(proxy.endpoints));
    const half = await producer.sendHalf(outgoing());
    await half.end('ROLLBACK');
    const [request] = proxy.requests<service.SendMessageRequest>('sendMessage');
    const [message] = request!.getMessagesList();
    expect(message!.getSystemProperties()?.toObject()).toMatchObject({
      tag: 'placed',
      keysList: ['k1'],
      messageType: definitions.MessageType.TRANSACTION,
    });
    expect(message!.getUserPropertiesMap().get('checkback-tx')).toBe('tx-1');
    const [end] = proxy.requests<service.EndTransactionRequest>('endTransaction');
    expect(end!.toObject()).toMatchObject({
      messageId: half.messageId,
      resolution: definitions.TransactionResolution.ROLLBACK,
      source: definitions.TransactionSource.SOURCE_CLIENT,
    });
  });
});
