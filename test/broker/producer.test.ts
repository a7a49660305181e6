import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type * as service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProducerTopicType } from '../../src/broker/producer.ts';
import type { RocketmqOptions } from '../../src/broker/rocketmq/options.ts';
import { type FakeProxy, startFakeProxy } from '../support/broker-fake-proxy.ts';
import { adapter, eventually, outgoing, TOPIC } from './harness.ts';

const { Code, MessageQueue, MessageType } = definitions;

describe('Producer', () => {
  const cleanups: (() => unknown)[] = [];
  let proxy: FakeProxy;
  /** What the proxy says that its topics take. */
  let taken: keyof typeof MessageType = 'NORMAL';

  beforeEach(async () => {
    taken = 'NORMAL';
    // The proxy of these tests was made for transactions; what it announces is replaced as it is written.
    const announce = MessageQueue.prototype.setAcceptMessageTypesList;
    vi.spyOn(MessageQueue.prototype, 'setAcceptMessageTypesList').mockImplementation(function (this: never) {
      return announce.call(this, [MessageType[taken]]);
    });
    proxy = await startFakeProxy();
    cleanups.push(() => proxy.close());
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    vi.restoreAllMocks();
  });

  const open = async (type?: ProducerTopicType, options: Partial<RocketmqOptions> = {}) => {
    taken = type ?? 'NORMAL';
    const producer = await adapter(proxy.endpoints, options).startProducer({ topic: TOPIC, type });
    cleanups.push(() => producer.close(1_000));
    return producer;
  };
  const sent = () =>
    proxy
      .requests<service.SendMessageRequest>('sendMessage')
      .flatMap((request) => request.getMessagesList().map((message) => message.toObject()));

  it('sends a message as it is, once, under an id that nobody else makes', async () => {
    const producer = await open();
    const ids = await Promise.all([producer.send(outgoing()), producer.send(outgoing())]);
    expect(new Set(ids.map(({ messageId }) => messageId)).size).toBe(2);
    for (const { messageId } of ids) expect(messageId).toMatch(/^01[0-9A-F]{32}$/);
    // The client's own begin with what one machine and process have in common.
    expect(ids[0].messageId.slice(0, 18)).not.toBe(ids[1].messageId.slice(0, 18));
    expect(sent()).toHaveLength(2);
    expect(sent()[0]).toMatchObject({
      topic: { name: TOPIC },
      body: Buffer.from('{}').toString('base64'),
      userPropertiesMap: [['checkback-tx', 'tx-1']],
      systemProperties: { tag: 'placed', keysList: ['k1'], messageType: MessageType.NORMAL, deliveryTimestamp: undefined },
    });
  });

  it.each([
    [5_000, 5_000],
    [undefined, 0],
  ])('sends to a DELAY topic with delayMs %o as a message of that type, to be delivered then', async (delayMs, laterMs) => {
    const producer = await open('DELAY');
    const before = Date.now();
    await producer.send(outgoing(), { delayMs });
    const after = Date.now();
    const [{ systemProperties } = {}] = sent();
    expect(systemProperties?.messageType).toBe(MessageType.DELAY);
    const { seconds = 0, nanos = 0 } = systemProperties?.deliveryTimestamp ?? {};
    const at = seconds * 1_000 + nanos / 1_000_000;
    expect(at).toBeGreaterThanOrEqual(before + laterMs);
    expect(at).toBeLessThanOrEqual(after + laterMs);
  });

  it('does not start on a topic of another type', async () => {
    taken = 'TRANSACTION';
    await expect(adapter(proxy.endpoints).startProducer({ topic: TOPIC, type: 'DELAY' })).rejects.toMatchObject({
      code: 'CB_CONFIGURATION',
      message: expect.stringContaining(`topic "${TOPIC}" on ${proxy.endpoints} takes TRANSACTION, not DELAY`),
    });
  });

  it('refuses what the broker would refuse later, sending nothing', async () => {
    const normal = await open();
    await expect(normal.send(outgoing(), { delayMs: 1 })).rejects.toThrow('delayMs needs a DELAY topic');
    await expect(normal.send(outgoing('other'))).rejects.toThrow(`was not sent: the producer was started for ${TOPIC}`);
    const delaying = await open('DELAY');
    for (const delayMs of [-1, 0.5, Number.NaN]) await expect(delaying.send(outgoing(), { delayMs })).rejects.toThrow('delayMs must be');
    expect(sent()).toEqual([]);
  });

  it.each([
    ['TOO_MANY_REQUESTS', true],
    ['INTERNAL_SERVER_ERROR', true],
    ['MESSAGE_BODY_TOO_LARGE', false],
    ['ILLEGAL_MESSAGE_KEY', false],
  ] as const)('says of %s whether it may be sent again', async (code, retryable) => {
    const producer = await open();
    proxy.script.answer = (method) => (method === 'sendMessage' ? Code[code] : Code.OK);
    await expect(producer.send(outgoing())).rejects.toMatchObject({ code: 'CB_BROKER', acted: 'maybe', retryable });
    expect(sent()).toHaveLength(1);
  });

  it('gives a send one request timeout, and does not send again', async () => {
    const producer = await open();
    proxy.script.answer = (method) => (method === 'sendMessage' ? 'hang' : Code.OK);
    await expect(producer.send(outgoing())).rejects.toMatchObject({ code: 'CB_BROKER', retryable: true });
    expect(sent()).toHaveLength(1);
  });

  it('lets sends under way finish before it closes, and sends nothing after', async () => {
    const producer = await open();
    const gate = Promise.withResolvers<void>();
    proxy.script.receipt = () => gate.promise;
    const sending = producer.send(outgoing());
    await eventually(() => expect(sent()).toHaveLength(1));
    const closing = producer.close(5_000);
    expect(producer.close()).toBe(closing);
    await expect(producer.send(outgoing())).rejects.toMatchObject({ code: 'CB_BROKER', retryable: false, cause: { code: 'CB_CLOSED' } });
    // Many requests later, no goodbye.
    await open();
    expect(proxy.requests('notifyClientTermination')).toHaveLength(0);
    gate.resolve();
    await expect(sending).resolves.toMatchObject({ messageId: expect.any(String) });
    await closing;
    expect(sent()).toHaveLength(1);
  });

  it('closes within its deadline although the proxy answers nothing', async () => {
    const producer = await open('NORMAL', { requestTimeoutMs: 30_000 });
    proxy.script.answer = () => 'hang';
    const sending = producer.send(outgoing()).catch((error: unknown) => error);
    await producer.close(300);
    expect(await sending).toMatchObject({ code: 'CB_BROKER' });
  });

  it.each([
    ['sending', '[]\n'],
    ['refused', 'ConfigurationError\n[]\n'],
    ['silent', 'BrokerError\n[]\n'],
  ])('leaves nothing alive in a process after %s', async (scenario, stdout) => {
    if (scenario === 'silent') proxy.script.telemetry = () => {};
    const child = spawn(process.execPath, [new URL('./producer.child.ts', import.meta.url).pathname, scenario, proxy.endpoints, TOPIC], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 40_000,
      killSignal: 'SIGKILL',
    });
    const exit = once(child, 'close');
    expect(await text(child.stdout)).toBe(stdout);
    expect(await exit).toEqual([0, null]);
  });
});
