import { afterEach, describe, expect, it } from 'vitest';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type * as definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type * as service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import type { Consumer } from '../../src/broker/consumer.ts';
import { bareConsumer, guard } from '../support/broker-bare-client.ts';
import { deliver, type FakeProxy, startFakeProxy, wireMessage } from '../support/broker-fake-proxy.ts';
import { adapter, eventually, TOPIC } from './harness.ts';

const { Code } = definitions;
const good = (messageId: string) => wireMessage({ topic: TOPIC, messageId });

describe('receiving', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const open = async (longPollMs = 15_000): Promise<{ proxy: FakeProxy; consumer: Consumer }> => {
    const proxy = await startFakeProxy();
    const consumer = await adapter(proxy.endpoints).startConsumer({ topic: TOPIC, group: 'g', longPollMs });
    cleanups.push(() => proxy.close());
    cleanups.push(() => consumer.close(1_000));
    return { proxy, consumer };
  };
  const polls = (proxy: FakeProxy): number => proxy.requests('receiveMessage').length;

  it.each([
    ['broken gzip', 'rejected'],
    ['no digest', 'rejected'],
    // Delivered by the bare client, with a flag that is easily overlooked.
    ['wrong digest', ['delivered', 'corrupted', 'delivered']],
  ] as const)('sets a message with %s aside; the others of its batch arrive', async (fault, bareOutcome) => {
    const { proxy, consumer } = await open();
    proxy.script.receive = (poll) => deliver(poll, [good('m1'), wireMessage({ topic: TOPIC, messageId: 'bad', fault }), good('m3')]);
    const bare = bareConsumer(proxy.endpoints, TOPIC);
    cleanups.push(guard(bare));
    await bare.startup();
    const outcome = await bare.receive(3, 10_000).then(
      (views) => views.map((view) => (view.corrupted ? 'corrupted' : 'delivered')),
      () => 'rejected',
    );
    expect(outcome).toEqual(bareOutcome);

    expect((await consumer.receive(3, 10_000)).map(({ message }) => message.messageId)).toEqual(['m1', 'm3']);
    const forwarded = () => proxy.requests<service.ForwardMessageToDeadLetterQueueRequest>('forwardMessageToDeadLetterQueue');
    await eventually(() => expect(forwarded().map((request) => request.getReceiptHandle())).toEqual(['receipt of bad']));
  });

  it('ends at once when it is aborted, and the long poll with it', async () => {
    const { proxy, consumer } = await open();
    const cancelled = Promise.withResolvers<void>();
    proxy.script.receive = (poll) => poll.on('cancelled', () => cancelled.resolve());
    const abort = new AbortController();
    const receiving = consumer.receive(1, 10_000, abort.signal);
    await eventually(() => expect(polls(proxy)).toBe(1));
    abort.abort(new Error('enough'));
    await expect(receiving).rejects.toThrow('enough');
    await cancelled.promise;
    await expect(consumer.receive(1, 10_000, abort.signal)).rejects.toThrow('enough');
    expect(polls(proxy)).toBe(1);
  });

  it('asks for nothing when it is aborted before the request is on its way', async () => {
    const { proxy, consumer } = await open();
    const abort = new AbortController();
    const receiving = consumer.receive(1, 10_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(receiving).rejects.toThrow('enough');
    expect(polls(proxy)).toBe(0);
  });

  it('hands back what had arrived when it was aborted', async () => {
    const { proxy, consumer } = await open();
    const abort = new AbortController();
    proxy.script.receive = (poll) => deliver(poll, [good('m0')]);
    const [earlier] = await consumer.receive(1, 10_000);
    // The first message of a batch whose end never comes.
    proxy.script.receive = (poll) => deliver({ write: poll.write.bind(poll), end() {} } as never, [good('m1')]);
    const receiving = consumer.receive(2, 10_000, abort.signal);
    receiving.catch(() => {});
    await eventually(() => expect(polls(proxy)).toBe(2));
    // Its answer comes behind that message on the same connection.
    await earlier!.ack();
    abort.abort(new Error('enough'));
    await expect(receiving).rejects.toThrow('enough');
    await eventually(() =>
      expect(
        proxy
          .requests<service.ChangeInvisibleDurationRequest>('changeInvisibleDuration')
          .map((request) => [request.getMessageId(), request.getInvisibleDuration()?.toObject()]),
      ).toEqual([['m1', { seconds: 0, nanos: 0 }]]),
    );
  });

  it('ends when the consumer closes', async () => {
    const { proxy, consumer } = await open();
    const receiving = consumer.receive(1, 10_000);
    const ended = receiving.catch((error: unknown) => error);
    await eventually(() => expect(polls(proxy)).toBe(1));
    await consumer.close(5_000);
    expect(await ended).toMatchObject({ name: 'ClosedError' });
    await expect(consumer.receive(1, 10_000)).rejects.toMatchObject({ name: 'ClosedError' });
    expect(polls(proxy)).toBe(1);
  });

  it('lets acknowledgements under way finish before it closes', async () => {
    const { proxy, consumer } = await open();
    proxy.script.receive = (poll) => deliver(poll, [good('m1')]);
    const [delivery] = await consumer.receive(1, 10_000);
    const acknowledging = delivery!.ack();
    await consumer.close();
    await expect(acknowledging).resolves.toBeUndefined();
    expect(proxy.requests('ackMessage')).toHaveLength(1);
  });

  it('says when an acknowledgement was refused, which the bare client does not look at', async () => {
    const { proxy, consumer } = await open();
    proxy.script.receive = (poll) => deliver(poll, [good('m1')]);
    proxy.script.answer = (method) => (method === 'ackMessage' ? Code.INVALID_RECEIPT_HANDLE : Code.OK);
    const bare = bareConsumer(proxy.endpoints, TOPIC);
    cleanups.push(guard(bare));
    await bare.startup();
    const [view] = await bare.receive(1, 10_000);
    await expect(bare.ack(view!)).resolves.toBeUndefined();
    const [delivery] = await consumer.receive(1, 10_000);
    await expect(delivery!.ack()).rejects.toMatchObject({ code: 'CB_BROKER', retryable: false, message: expect.stringContaining('40013') });
  });

  it('puts acknowledgements into one request as long as another is under way, and a lone one into its own at once', async () => {
    const { proxy, consumer } = await open();
    const ids = Array.from({ length: 40 }, (_, n) => `m${n}`);
    proxy.script.receive = (poll) => deliver(poll, ids.map(good));
    const deliveries = await consumer.receive(32, 10_000);
    const gate = Promise.withResolvers<void>();
    proxy.script.acknowledged = () => gate.promise;
    const acked = (): string[][] =>
      proxy
        .requests<service.AckMessageRequest>('ackMessage')
        .map((request) => request.getEntriesList().map((entry) => entry.getMessageId()));
    const first = deliveries[0]!.ack();
    await eventually(() => expect(acked()).toEqual([['m0']]));
    const rest = deliveries.slice(1).map((delivery) => delivery.ack());
    gate.resolve();
    await Promise.all([first, ...rest]);
    expect(acked()).toEqual([['m0'], ids.slice(1, 33), ids.slice(33)]);
  });

  it('puts what is acknowledged in one turn into one request', async () => {
    const { proxy, consumer } = await open();
    proxy.script.receive = (poll) => deliver(poll, ['m1', 'm2', 'm3'].map(good));
    const deliveries = await consumer.receive(3, 10_000);
    await Promise.all(deliveries.map((delivery) => delivery.ack()));
    expect(proxy.requests('ackMessage')).toHaveLength(1);
  });

  it('lets one refused acknowledgement of a request reject its own promise and no other', async () => {
    const { proxy, consumer } = await open();
    proxy.script.receive = (poll) => deliver(poll, ['m1', 'bad', 'm3'].map(good));
    proxy.script.entry = (receipt) => (receipt === 'receipt of bad' ? Code.INVALID_RECEIPT_HANDLE : undefined);
    const deliveries = await consumer.receive(3, 10_000);
    const outcomes = await Promise.allSettled(deliveries.map((delivery) => delivery.ack()));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'CB_BROKER', retryable: false } });
    expect(proxy.requests('ackMessage')).toHaveLength(1);
  });

  it('fails every acknowledgement of a request that gets no answer, and sends the next ones', async () => {
    const { proxy, consumer } = await open();
    proxy.script.receive = (poll) => deliver(poll, ['m1', 'm2', 'm3'].map(good));
    const deliveries = await consumer.receive(3, 10_000);
    proxy.script.answer = (method) => (method === 'ackMessage' ? 'hang' : Code.OK);
    const outcomes = await Promise.allSettled(deliveries.slice(0, 2).map((delivery) => delivery.ack()));
    expect(outcomes).toMatchObject([{ reason: { retryable: true } }, { reason: { retryable: true } }]);
    proxy.script.answer = () => Code.OK;
    await expect(deliveries[2]!.ack()).resolves.toBeUndefined();
  });

  it('says whether a refused receive may be tried again', async () => {
    const { proxy, consumer } = await open();
    const refuseWith = (code: definition.Code): void => {
      proxy.script.receive = (poll) => {
        deliver(
          {
            write: (response: service.ReceiveMessageResponse) => poll.write(response.setStatus(new definitions.Status().setCode(code))),
            end: () => poll.end(),
          } as never,
          [],
        );
      };
    };
    for (const [code, retryable] of [
      [Code.FORBIDDEN, false],
      [Code.TOO_MANY_REQUESTS, true],
      [Code.INTERNAL_SERVER_ERROR, true],
      [Code.REQUEST_TIMEOUT, true],
      [Code.MESSAGE_BODY_EMPTY, false],
    ] as const) {
      refuseWith(code);
      await expect(consumer.receive(1, 10_000)).rejects.toMatchObject({ code: 'CB_BROKER', retryable });
    }
  });
});
