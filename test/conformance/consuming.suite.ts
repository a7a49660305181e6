import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { PublishingMessage } from 'rocketmq-client-nodejs';
import type { BrokerUnderTest } from './broker-under-test.ts';
import { conformance, eventually, message, next } from './harness.ts';

/** What the worker builds on. */
export function consumingSuite(broker: BrokerUnderTest): void {
  describe(`a consumer of the broker on ${broker.name}`, () => {
    const open = conformance(() => broker.endpoints);
    const { createTopic, createGroup } = broker;
    beforeAll(broker.open);
    afterAll(broker.close);
    afterEach(open.closeAll);

    const deliverable = async (topic: string, body = '{}'): Promise<string> => {
      const producer = await open.producer(topic);
      const half = await producer.sendHalf({ ...message(topic), body: Buffer.from(body) });
      await half.end('COMMIT');
      return half.messageId;
    };

    it('is given a postponed message again, later, as another attempt under the same id', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const messageId = await deliverable(topic);
      const first = await next(consumer, 60_000);
      const postponedAt = performance.now();
      await first.changeInvisibleDuration(2_000);
      const second = await next(consumer);
      expect(performance.now() - postponedAt).toBeGreaterThanOrEqual(1_500);
      expect(second.message).toMatchObject({ messageId, deliveryAttempt: 2 });
      await second.ack();
    });

    it('may renew its hold again and again, and acknowledge with the newest receipt', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      await deliverable(topic);
      const delivery = await next(consumer);
      for (let renewal = 1; renewal <= 3; renewal += 1) await delivery.changeInvisibleDuration(30_000);
      await expect(delivery.ack()).resolves.toBeUndefined();
    });

    it('burns no delivery attempt by renewing its hold: the delivery that follows a postponement does', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const messageId = await deliverable(topic);
      const delivery = await next(consumer);
      for (let renewal = 1; renewal <= 5; renewal += 1) await delivery.changeInvisibleDuration(10_000);
      await delivery.changeInvisibleDuration(1_000);
      const again = await next(consumer);
      expect(again.message).toMatchObject({ messageId, deliveryAttempt: 2 });
      await again.ack();
    });

    it('may acknowledge many messages with one request; each entry has a status of its own', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      for (let sent = 0; sent < 40; sent += 1) await deliverable(topic);
      const { acknowledge, receive } = await open.bareConsumer(topic, group);
      const held: { messageId: string; receiptHandle: string }[] = [];
      while (held.length < 40) held.push(...(await receive(32, 30_000)));

      const answer = await acknowledge(held.slice(0, 38));
      expect(answer.status?.code).toBe(definitions.Code.OK);
      // In the order of the request, each with its receipt.
      expect(answer.entriesList.map(({ receiptHandle }) => receiptHandle)).toEqual(held.slice(0, 38).map((view) => view.receiptHandle));

      // A second time is no error.
      expect((await acknowledge(held.slice(0, 1))).entriesList[0]?.status?.code).toBe(definitions.Code.OK);
      await acknowledge(held.slice(38));
    });

    it('is told which receipts of a request had expired; the others are acknowledged', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      await deliverable(topic);
      const { acknowledge, receive } = await open.bareConsumer(topic, group);
      const one = (invisibleMs: number) =>
        eventually(async () => {
          const [view] = await receive(1, invisibleMs);
          expect(view).toBeDefined();
          return view!;
        });
      const expired = await one(1_000);
      // It comes again: so the first receipt is over.
      const held = await one(30_000);
      const mixed = await acknowledge([expired, held]);
      expect(mixed.status?.code).toBe(definitions.Code.MULTIPLE_RESULTS);
      expect(mixed.entriesList.map(({ status }) => status?.code)).toEqual([definitions.Code.INVALID_RECEIPT_HANDLE, definitions.Code.OK]);
      const allExpired = await acknowledge([expired]);
      expect(allExpired.status?.code).toBe(definitions.Code.INVALID_RECEIPT_HANDLE);
      expect(allExpired.entriesList).toHaveLength(1);
    });

    it('gets nothing acknowledged, or only the rest, when a receipt is none at all', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      await deliverable(topic);
      const { acknowledge, receive } = await open.bareConsumer(topic, group);
      const [held] = await eventually(async () => {
        const views = await receive(1, 30_000);
        expect(views).toHaveLength(1);
        return views;
      });
      const answer = await acknowledge([{ messageId: 'x', receiptHandle: 'no receipt' }, held!]);
      const { acknowledgesBesideGarbage } = broker.features;
      const { MULTIPLE_RESULTS, INTERNAL_SERVER_ERROR, OK } = definitions.Code;
      expect(answer.status?.code).toBe(acknowledgesBesideGarbage ? MULTIPLE_RESULTS : INTERNAL_SERVER_ERROR);
      expect(answer.entriesList.map(({ status }) => status?.code)).toEqual(acknowledgesBesideGarbage ? [INTERNAL_SERVER_ERROR, OK] : []);
      // A second time is no error.
      expect((await acknowledge([held!])).status?.code).toBe(OK);
    });

    it('is given what a cancelled long poll took along soon, and not after its invisible duration', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const earlier = await deliverable(topic);
      const first = await next(consumer);
      const abort = new AbortController();
      const polling = consumer.receive(1, 600_000, abort.signal);
      polling.catch(() => {});
      // Answered behind the poll on the same connection: the proxy has it.
      await first.ack();
      abort.abort(new Error('enough'));
      await expect(polling).rejects.toThrow('enough');
      const messageId = await deliverable(topic);
      const { message: received } = await next(consumer);
      expect(received.messageId).toBe(messageId);
      expect(messageId).not.toBe(earlier);
    }, 60_000);

    it('finds no dead-letter topic of its group before the first dead letter; then it is there and readable', async () => {
      const [topic, group, reader] = [
        await createTopic(),
        await createGroup({ retryMaxTimes: 0 }),
        await createGroup({ retryMaxTimes: 1_000 }),
      ];
      const deadLetters = `%DLQ%${group}`;
      await expect(open.consumer(deadLetters, reader)).rejects.toThrow(`topic "${deadLetters}" does not exist`);
      const consumer = await open.consumer(topic, group);
      const messageId = await deliverable(topic);
      const only = await next(consumer);
      await only.changeInvisibleDuration(0);
      await eventually(async () => {
        await consumer.receive(1, 10_000);
        expect(await broker.hasTopic(deadLetters)).toBe(true);
      });
      // The proxy remembers for a while that there was no such topic.
      const dead = await eventually(async () => next(await open.consumer(deadLetters, reader)));
      expect(dead.message).toMatchObject({ messageId, keys: ['k1'], tag: 'placed', topic: deadLetters });
    });

    it('finds a message that cannot be decoded among the dead letters, and the others of its batch in its hands', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const { producer, routes } = await open.bare(topic);
      const [queue] = (await routes.getRouteData(topic)).messageQueues;
      const broken = new PublishingMessage({ topic, body: Buffer.from('not gzip') }, producer.publishingSettings, true).toProtobuf(
        '',
        queue!,
      );
      broken.getSystemProperties()?.setBodyEncoding(definitions.Encoding.GZIP);
      const request = new serviceMessages.SendMessageRequest();
      request.addMessages(broken);
      const sent = await producer.getRpcClientManager().sendMessage(queue!.broker.endpoints, request, 3_000);
      const [entry] = sent.getEntriesList();
      await producer.endTransaction(
        queue!.broker.endpoints,
        { topic } as never,
        entry!.getMessageId(),
        entry!.getTransactionId(),
        definitions.TransactionResolution.COMMIT,
      );
      const good = await deliverable(topic);
      expect((await next(consumer)).message.messageId).toBe(good);
      await eventually(async () => {
        await consumer.receive(1, 10_000);
        expect(await broker.hasTopic(`%DLQ%${group}`)).toBe(true);
      });
    });

    it('whose group does not exist is told so', async () => {
      const topic = await createTopic();
      const consumer = await open.consumer(topic, 'no-such-group');
      await deliverable(topic);
      await expect(next(consumer)).rejects.toMatchObject({ code: 'CB_BROKER' });
    });
  });
}
