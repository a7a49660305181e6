import diagnostics from 'node:diagnostics_channel';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerUnderTest } from './broker-under-test.ts';
import { conformance, eventually, message, next, recordingCheckBack, type SendPath } from './harness.ts';
import { sendBareHalf } from './bare-half.ts';

/** What the adapter builds on, as RocketMQ 5.4.0 really does it. */
export function transactionsSuite(broker: BrokerUnderTest, path: SendPath): void {
  describe(`transactions on ${broker.name}, over the ${path} path`, () => {
    const open = conformance(() => broker.endpoints, path);
    const { createTopic, createGroup } = broker;
    beforeAll(broker.open);
    afterAll(broker.close);
    afterEach(open.closeAll);

    it('takes the path it was told, for halves and for ENDs', async () => {
      const sent = new Set<string>();
      // Of the two only the client's gRPC library names itself.
      const onStream = (event: unknown): void => {
        const { headers } = event as { headers: Record<string, string | undefined> };
        const method = headers[':path']?.split('/').at(-1) ?? '';
        if (method === 'SendMessage' || method === 'EndTransaction')
          sent.add(`${method} ${headers['user-agent'] === undefined ? 'lean' : 'official'}`);
      };
      diagnostics.subscribe('http2.client.stream.start', onStream);
      try {
        const topic = await createTopic();
        const producer = await open.producer(topic);
        // A connection that took too long to open leaves single calls to the other path.
        await eventually(async () => {
          await (await producer.sendHalf(message(topic))).end('COMMIT');
          expect([...sent]).toEqual(expect.arrayContaining([`SendMessage ${path}`, `EndTransaction ${path}`]));
        });
        expect([...sent].filter((call) => call.endsWith('lean'))).toHaveLength(path === 'lean' ? 2 : 0);
      } finally {
        diagnostics.unsubscribe('http2.client.stream.start', onStream);
      }
    });

    it('delivers a half after its COMMIT, as it was sent', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const producer = await open.producer(topic);
      const half = await producer.sendHalf(message(topic, { 'checkback-tx': 'tx-1' }));
      await half.end('COMMIT');
      const delivery = await next(consumer);
      expect(delivery.message).toMatchObject({
        topic,
        tag: 'placed',
        keys: ['k1'],
        properties: { 'checkback-tx': 'tx-1' },
        messageId: half.messageId,
        deliveryAttempt: 1,
      });
      expect(Buffer.from(delivery.message.body).toString()).toBe('{"amount":1}');
      await delivery.ack();
    });

    it('never delivers a half after its ROLLBACK, and is done with asking about it', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const { asked, checkBack } = recordingCheckBack();
      const consumer = await open.consumer(topic, group);
      const producer = await open.producer(topic, checkBack);
      const rolledBack = await producer.sendHalf(message(topic));
      await rolledBack.end('ROLLBACK');
      // Both are as old. A broker that is busy records an END late and may ask once more; then it asks about the second alone.
      const open2 = await producer.sendHalf(message(topic));
      await eventually(() => {
        const since = asked.findLastIndex(({ messageId }) => messageId === rolledBack.messageId) + 1;
        expect(asked.slice(since).filter(({ messageId }) => messageId === open2.messageId).length).toBeGreaterThanOrEqual(2);
      });
      await open2.end('COMMIT').catch(() => {});
      expect((await next(consumer)).message.messageId).toBe(open2.messageId);
    });

    it('takes no second END: 50001, "cannot found transaction data"', async () => {
      const topic = await createTopic();
      const producer = await open.producer(topic);
      const half = await producer.sendHalf(message(topic));
      await half.end('COMMIT');
      await expect(half.end('COMMIT')).rejects.toMatchObject({
        code: 50001,
        message: expect.stringContaining('cannot found transaction data'),
      });
      await expect(half.end('ROLLBACK')).rejects.toMatchObject({ code: 50001 });
    });

    it('asks about a half nobody ended, counts the rounds from 1, and delivers it under the same id after COMMIT', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const { asked, checkBack } = recordingCheckBack((half) => (half.round < 3 ? 'UNKNOWN' : 'COMMIT'));
      const producer = await open.producer(topic, checkBack);
      const half = await producer.sendHalf(message(topic, { 'checkback-tx': 'tx-1' }));
      const delivery = await next(consumer);
      expect(asked.map(({ round }) => round)).toEqual([1, 2, 3]);
      expect(asked[0]).toMatchObject({
        topic,
        tag: 'placed',
        keys: ['k1'],
        messageId: half.messageId,
        properties: { 'checkback-tx': 'tx-1' },
      });
      expect(asked[0]!.bornAt).toBeInstanceOf(Date);
      expect(delivery.message.messageId).toBe(half.messageId);
      // The broker's own properties are not among the user's.
      expect(delivery.message.properties).toEqual({ 'checkback-tx': 'tx-1' });
      await delivery.ack();
    });

    it('keeps no "finished" state: a late COMMIT after a check delivers again, under the same message id', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const { asked, checkBack } = recordingCheckBack();
      const producer = await open.producer(topic, checkBack);
      const half = await producer.sendHalf(message(topic));
      await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(1));
      // One record of the proxy for the send and one for each check: as many ENDs are taken.
      await half.end('COMMIT');
      await half.end('COMMIT');
      const ids = [(await next(consumer)).message.messageId, (await next(consumer)).message.messageId];
      expect(ids).toEqual([half.messageId, half.messageId]);
    });

    it('delivers after a ROLLBACK too, when a COMMIT comes later', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const { asked, checkBack } = recordingCheckBack();
      const producer = await open.producer(topic, checkBack);
      const half = await producer.sendHalf(message(topic));
      await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(1));
      await half.end('ROLLBACK');
      await half.end('COMMIT');
      expect((await next(consumer)).message.messageId).toBe(half.messageId);
    });

    it('goes on asking after an END for the copy of an earlier round, although it delivered', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const { asked, checkBack } = recordingCheckBack();
      await open.producer(topic, checkBack);
      const { producer } = await open.bare(topic);
      const half = await sendBareHalf(producer, topic);
      await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(1));
      const seen = asked.length;
      // Uses up the records of the rounds, one each, and changes nothing; the COMMIT finds the oldest.
      for (let round = 1; round <= seen; round += 1) await half.end(definitions.TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED);
      await half.end(definitions.TransactionResolution.COMMIT);
      expect((await next(consumer)).message.messageId).toBe(half.messageId);
      await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(seen + 2));
    });

    it('asks at once about a half whose sender has its clock ahead', async () => {
      const topic = await createTopic();
      const { asked, checkBack } = recordingCheckBack();
      await open.producer(topic, checkBack);
      const { producer } = await open.bare(topic);
      const half = await sendBareHalf(producer, topic, { bornAt: Date.now() + 3_600_000 });
      await eventually(() => expect(asked[0]).toMatchObject({ messageId: half.messageId }));
      expect(asked[0]!.bornAt!.getTime()).toBeGreaterThan(Date.now());
    });

    it('burns rounds while a sender has asked for immunity, then refuses its late COMMIT without a word', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const { asked, checkBack } = recordingCheckBack((half) => (half.round >= asked[0]!.round + 1 ? 'COMMIT' : 'UNKNOWN'));
      await open.producer(topic, checkBack);
      const { producer } = await open.bare(topic);
      const half = await sendBareHalf(producer, topic, { immunityS: 4 });
      await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(1));
      // The other producer may have been asked first.
      expect(asked[0]!.round).toBeGreaterThanOrEqual(3);
      await half.end(definitions.TransactionResolution.COMMIT);
      // Delivered by the answer of the round after it, and not before.
      expect((await next(consumer)).message.messageId).toBe(half.messageId);
      expect(asked.length).toBeGreaterThanOrEqual(2);
    });

    it('asks any producer of the topic, whoever sent the half', async () => {
      const [topic, group] = [await createTopic(), await createGroup()];
      const consumer = await open.consumer(topic, group);
      const sender = await open.producer(topic);
      const half = await sender.sendHalf(message(topic, { 'checkback-owner': 'someone-else' }));
      await sender.close();
      const { asked, checkBack } = recordingCheckBack(() => 'COMMIT');
      await open.producer(topic, checkBack);
      expect((await next(consumer)).message.messageId).toBe(half.messageId);
      expect(asked[0]).toMatchObject({ messageId: half.messageId, properties: { 'checkback-owner': 'someone-else' } });
    });

    it('refuses a NORMAL message to a TRANSACTION topic', async () => {
      const topic = await createTopic();
      const { producer } = await open.bare(topic);
      // The client refuses by itself what it knows from the route; this is what the broker says.
      Object.assign(producer.publishingSettings, { isValidateMessageType: () => false });
      await expect(producer.send({ topic, body: Buffer.from('{}') })).rejects.toMatchObject({ code: 40014 });
    });

    it('routes the type of a topic, so that a transaction to a NORMAL topic is refused before it is sent', async () => {
      const topic = await createTopic('NORMAL');
      await expect(open.producer(topic)).rejects.toThrow(`topic "${topic}" on ${broker.endpoints} takes NORMAL, not TRANSACTION`);
      const { producer } = await open.bare(topic);
      Object.assign(producer.publishingSettings, { isValidateMessageType: () => false });
      await expect(producer.send({ topic, body: Buffer.from('{}') }, producer.beginTransaction())).rejects.toMatchObject({ code: 40014 });
    });

    it('names a topic that does not exist', async () => {
      await expect(open.producer('no-such-topic')).rejects.toThrow('topic "no-such-topic" does not exist');
    });

    it('refuses an empty body, for good', async () => {
      const topic = await createTopic();
      const producer = await open.producer(topic);
      const sending = producer.sendHalf({ ...message(topic), body: Buffer.alloc(0) });
      await expect(sending).rejects.toMatchObject({ retryable: false, cause: { code: 41302 } });
    });

    it.each([
      ['a key of blanks', { keys: [' '] }],
      ['a control character in a property', { properties: { note: 'a\u0001b' } }],
      ['a control character in a tag', { tag: 'a\u0001b' }],
      ['a tag with |', { tag: 'a|b' }],
    ])('refuses %s, for good', async (_what, wrong) => {
      const topic = await createTopic();
      const producer = await open.producer(topic);
      await expect(producer.sendHalf({ ...message(topic), ...wrong })).rejects.toMatchObject({ code: 'CB_HALF_MESSAGE', retryable: false });
    });
  });
}
