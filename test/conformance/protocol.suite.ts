import { credentials, Metadata, status } from '@grpc/grpc-js';
import { FilterExpression } from 'rocketmq-client-nodejs';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceStubs from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { internals } from '../../src/broker/rocketmq/client-internals.ts';
import { bareConsumer, guard } from '../support/broker-bare-client.ts';
import { sendBareHalf } from './bare-half.ts';
import type { BrokerUnderTest } from './broker-under-test.ts';
import { conformance, eventually, message, next, recordingCheckBack, type SendPath } from './harness.ts';

const { COMMIT, ROLLBACK } = definitions.TransactionResolution;

const rawClient = (endpoints: string) => new serviceStubs.MessagingServiceClient(endpoints, credentials.createInsecure());

/** Codes, bounds and names on the wire, as the official client sees them. */
export function protocolSuite(broker: BrokerUnderTest, path: SendPath): void {
  describe(`the protocol of ${broker.name}, over the ${path} path`, () => {
    const open = conformance(() => broker.endpoints, path);
    const { createTopic, createGroup } = broker;
    const cleanups: (() => Promise<unknown>)[] = [];
    beforeAll(broker.open);
    afterAll(broker.close);
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
      await open.closeAll();
    });

    const bare = async (topic: string, group: string) => {
      const consumer = bareConsumer(broker.endpoints, topic, group);
      cleanups.push(guard(consumer));
      await consumer.startup();
      return consumer;
    };
    const send = async (topic: string, content: Partial<ReturnType<typeof message>> = {}) => {
      const producer = await rocketmq({ endpoints: broker.endpoints }).startProducer({ topic });
      cleanups.push(() => producer.close());
      return (await producer.send({ ...message(topic), ...content })).messageId;
    };

    it('hands a committed message its transaction id and the rounds it took among the properties of the sender', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await bare(topic, group);
      const { checkBack } = recordingCheckBack(() => 'COMMIT');
      const producer = await open.producer(topic, checkBack);
      const prompt = await producer.sendHalf(message(topic, { own: 'yes' }));
      await prompt.end('COMMIT');
      const [first] = await eventually(async () => {
        const views = await consumer.receive(1, 30_000);
        expect(views).toHaveLength(1);
        return views;
      });
      expect(Object.fromEntries(first!.properties)).toEqual({ own: 'yes', __transactionId__: prompt.messageId });
      await consumer.ack(first!);
      const late = await producer.sendHalf(message(topic));
      const [second] = await eventually(async () => {
        const views = await consumer.receive(1, 30_000);
        expect(views).toHaveLength(1);
        return views;
      });
      expect(Object.fromEntries(second!.properties)).toEqual({ __transactionId__: late.messageId, TRANSACTION_CHECK_TIMES: '1' });
    });

    it('takes a check round among the properties of a half for one', async () => {
      const topic = await createTopic();
      const { asked, checkBack } = recordingCheckBack();
      const producer = await open.producer(topic, checkBack);
      await producer.sendHalf(message(topic, { TRANSACTION_CHECK_TIMES: '7' }));
      await eventually(() => expect(asked[0]?.round).toBe(8));
    });

    it('uses its record of a half up for an END that decides nothing', async () => {
      const topic = await createTopic();
      const { producer } = await open.bare(topic);
      const half = await sendBareHalf(producer, topic);
      await half.end(definitions.TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED);
      await expect(half.end(ROLLBACK)).rejects.toMatchObject({ code: 50001 });
    });

    it('finds a half by its topic and id: another topic has no record of it', async () => {
      const [topic, other] = [await createTopic(), await createTopic()];
      const { producer } = await open.bare(topic);
      const half = await sendBareHalf(producer, topic);
      const [queue] = (await internals(producer).getRouteData(other)).messageQueues;
      const ending = producer.endTransaction(queue!.broker.endpoints, { topic: other } as never, half.messageId, half.messageId, COMMIT);
      await expect(ending).rejects.toMatchObject({ code: 50001 });
      await half.end(ROLLBACK);
    });

    it('delivers only the tags that are asked for', async () => {
      const [topic, group] = [await createTopic('NORMAL'), await createGroup()];
      const client = rocketmq({ endpoints: broker.endpoints });
      const consumer = await client.startConsumer({ topic, group, tag: 'a || c', longPollMs: 2_000 });
      cleanups.push(() => consumer.close());
      for (const tag of ['a', 'b', 'c']) await send(topic, { tag });
      const tags = [(await next(consumer)).message.tag, (await next(consumer)).message.tag];
      expect(tags.sort()).toEqual(['a', 'c']);
    });

    it.skipIf(broker.features.filtersBySql)('refuses an SQL92 filter: 40010', async () => {
      const topic = await createTopic('NORMAL');
      const consumer = await bare(topic, await createGroup());
      await consumer.subscribe(topic, new FilterExpression('amount > 1', definitions.FilterType.SQL));
      await expect(consumer.receive(1, 10_000)).rejects.toMatchObject({ code: 40010 });
    });

    it.runIf(broker.features.filtersBySql)('evaluates an SQL92 filter', async () => {
      const topic = await createTopic('NORMAL');
      const consumer = await bare(topic, await createGroup());
      await send(topic, { properties: { amount: '1' } });
      const messageId = await send(topic, { properties: { amount: '5' } });
      await consumer.subscribe(topic, new FilterExpression('amount > 1', definitions.FilterType.SQL));
      await eventually(async () => expect((await consumer.receive(2, 10_000)).map((view) => view.messageId)).toEqual([messageId]));
    });

    it('gives every group each message', async () => {
      const [topic, one, other] = [await createTopic('NORMAL'), await createGroup(), await createGroup()];
      const messageId = await send(topic);
      for (const group of [one, other]) expect((await next(await open.consumer(topic, group))).message.messageId).toBe(messageId);
    });

    it('refuses an invisible duration below its minimum and above 12 h: 40011', async () => {
      const [topic, group] = [await createTopic('NORMAL'), await createGroup()];
      const consumer = await bare(topic, group);
      await expect(consumer.receive(1, 500)).rejects.toMatchObject({ code: 40011 });
      await expect(consumer.receive(1, 12 * 3_600_000 + 1_000)).rejects.toMatchObject({ code: 40011 });
    });

    it('refuses an acknowledgement and a postponement after the invisible duration: 40013', async () => {
      const [topic, group] = [await createTopic('NORMAL'), await createGroup()];
      const consumer = await bare(topic, group);
      await send(topic);
      const once = () =>
        eventually(async () => {
          const [view] = await consumer.receive(1, 1_000);
          expect(view).toBeDefined();
          return view!;
        });
      const view = await once();
      await once();
      await expect(consumer.ack(view)).rejects.toMatchObject({ code: 40013 });
      await expect(consumer.changeInvisibleDuration(view, 1_000)).rejects.toMatchObject({ code: 40013 });
    });

    it('refuses a group that does not exist: 50001', async () => {
      const topic = await createTopic('NORMAL');
      await send(topic);
      await expect((await bare(topic, 'nobody-made-me')).receive(1, 10_000)).rejects.toMatchObject({ code: 50001 });
    });

    it.each([
      ['a property the broker keeps for itself', { properties: { UNIQ_KEY: 'x' } }, 40007],
      ['129 properties', { properties: Object.fromEntries(Array.from({ length: 129 }, (_, index) => [`p${index}`, 'x'])) }, 43101],
      ['properties of 17 KB', { properties: { big: 'x'.repeat(17_000) } }, 43101],
      ['a key with a control character', { keys: ['a\u0001b'] }, 40005],
      ['a tag with a control character', { tag: 'a\u0001b' }, 40004],
    ])('refuses %s', async (_what, wrong, code) => {
      const topic = await createTopic('NORMAL');
      await expect(send(topic, wrong as never)).rejects.toMatchObject({ retryable: false, cause: { code } });
    });

    it('does not serve offsets and pulls: UNIMPLEMENTED', async () => {
      const topic = await createTopic('NORMAL');
      const client = rawClient(broker.endpoints);
      cleanups.push(async () => client.close());
      const queue = new definitions.MessageQueue().setTopic(new definitions.Resource().setName(topic));
      const metadata = new Metadata();
      metadata.set('x-mq-client-id', 'raw');
      const failure = new Promise((resolve) =>
        client.queryOffset(new serviceMessages.QueryOffsetRequest().setMessageQueue(queue), metadata, (error) => resolve(error)),
      );
      expect(await failure).toMatchObject({ code: status.UNIMPLEMENTED });
    });

    const recall = async (topic: string) => {
      const client = rawClient(broker.endpoints);
      cleanups.push(async () => client.close());
      const metadata = new Metadata();
      metadata.set('x-mq-client-id', 'raw');
      const request = new serviceMessages.RecallMessageRequest()
        .setTopic(new definitions.Resource().setName(topic))
        .setRecallHandle('none');
      return new Promise<{ error: unknown; response: unknown }>((resolve) =>
        client.recallMessage(request, metadata, (error, response) => resolve({ error, response })),
      );
    };

    it.skipIf(broker.features.recallsMessages)('takes no delayed message back: UNIMPLEMENTED', async () => {
      expect(await recall(await createTopic('DELAY'))).toMatchObject({ error: { code: status.UNIMPLEMENTED } });
    });

    it.runIf(broker.features.recallsMessages)('answers who wants to take a delayed message back', async () => {
      expect(await recall(await createTopic('DELAY'))).toMatchObject({ error: null, response: expect.anything() });
    });

    it('answers nobody who has no name: 40017', async () => {
      const client = rawClient(broker.endpoints);
      cleanups.push(async () => client.close());
      const request = new serviceMessages.QueryRouteRequest().setTopic(new definitions.Resource().setName('any'));
      const answer = await new Promise<number | undefined>((resolve) =>
        client.queryRoute(request, new Metadata(), (_error, response) => resolve(response?.getStatus()?.getCode())),
      );
      expect(answer).toBe(definitions.Code.CLIENT_ID_REQUIRED);
    });

    it('carries a body of 1 MiB', async () => {
      const [topic, group] = [await createTopic('NORMAL'), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const body = Buffer.alloc(1_024 * 1_024, 'x');
      const messageId = await send(topic, { body });
      const delivery = await next(consumer, 30_000);
      expect(delivery.message.messageId).toBe(messageId);
      expect(body.equals(delivery.message.body)).toBe(true);
    });

    it.each([['TRANS_CHECK_MAX_TIME_TOPIC'], ['RMQ_SYS_TRANS_HALF_TOPIC'], ['rmq_sys_anything'], ['a b']])(
      'lets nobody near topic %s: 40002',
      async (topic) => {
        const { producer } = await open.bare(await createTopic('NORMAL'));
        await expect(internals(producer).getRouteData(topic)).rejects.toMatchObject({ code: 40002 });
      },
    );
  });
}
