import { resolve } from 'node:path';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../../src/broker/rocketmq/topic-type.ts';
import { callOf } from '../../src/dead-letter/call-of-message.ts';
import type { DeadLetter } from '../../src/dead-letter/dead-letter.ts';
import { deadLetterSink } from '../../src/dead-letter/dead-letter-sink.ts';
import type { DeadLetterStore } from '../../src/dead-letter/dead-letter-store.ts';
import { drainBrokerDeadLetters } from '../../src/dead-letter/drain-broker-dead-letters.ts';
import { openReplaySender } from '../../src/dead-letter/replay-sender.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { mysqlDeadLetterStore } from '../../src/store/mysql-dead-letter-store.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { decodeMessage } from '../../src/worker/decode-message.ts';
import { startWorker } from '../../src/worker/worker.ts';
import { runDlq } from '../cli/support/run-dlq.ts';
import { chargeOn, openBank } from '../dead-letter/support/charging.ts';
import { type TestDatabase, createDatabase, createGroup, createTopic, useStack } from '../support/stack.ts';
import { conformance, eventually, next } from './harness.ts';

/** From the worker to the store, and back into the topic, on the broker as it is. */
describe('Dead letters', () => {
  const open = conformance();
  const cleanups: (() => Promise<unknown>)[] = [];
  let home: TestDatabase;
  let orm: MikroORM;
  let store: DeadLetterStore;

  beforeAll(async () => {
    home = await createDatabase('dead_letters');
    orm = await openOrm({ url: home.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
    await orm.migrator.up();
    store = mysqlDeadLetterStore(orm);
  });

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    await open.closeAll();
  });

  afterAll(async () => {
    await orm?.close(true);
    await home?.drop();
  });

  const bank = async () => {
    const opened = await openBank();
    cleanups.push(opened.close);
    return opened;
  };
  const work = async (topic: string, group: string, origin: string) => {
    const listener = chargeOn(topic, group);
    const gateway = createGateway({ origins: { bank: origin }, store: mysqlExternalCallStore(orm) });
    const consumer = await open.consumer(topic, group);
    const deadLetter = deadLetterSink(store, { listeners: [listener], callOf: callOf([listener], decodeMessage) });
    const worker = startWorker({ consumers: [{ listener, consumer }], gateway, deadLetter, leaseMs: 10_000 });
    cleanups.push(
      () => gateway.close(),
      () => worker.close(5_000),
    );
    return worker;
  };
  /** Into a topic of either type, as somebody's service would. */
  const send = async (topic: string, body: string, properties: Record<string, string> = {}) => {
    const content = { topic, tag: 'placed', keys: ['k1'], properties, body: Buffer.from(body) };
    if (topic.includes('transaction')) {
      const half = await (await open.producer(topic)).sendHalf(content);
      return half.end('COMMIT');
    }
    const producer = await rocketmq({ endpoints: useStack().endpoints }).startProducer({ topic });
    cleanups.push(() => producer.close());
    await producer.send(content);
  };
  const letters = (topic: string): Promise<DeadLetter[]> => store.list({ topic }, { limit: 100 });
  const dlq = (topic: string, group: string, ...args: string[]) =>
    runDlq([...args, '--config', resolve(import.meta.dirname, '../dead-letter/support/charging.config.ts')], {
      CHECKBACK_MYSQL_URL: home.url,
      CHECKBACK_ROCKETMQ_ENDPOINTS: useStack().endpoints,
      CHECKBACK_TEST_TOPIC: topic,
      CHECKBACK_TEST_GROUP: group,
    });

  it('hold what nobody can understand, with the reason, and everything else flows', async () => {
    const [topic, group] = [await createTopic('NORMAL'), await createGroup()];
    const { open: openUp, origin, payments } = await bank();
    openUp();
    await work(topic, group, origin);
    const order = `good-${topic}`;
    await send(topic, '{"orderId":"canary-4711"');
    await send(topic, '['.repeat(10_000) + ']'.repeat(10_000));
    await send(topic, '{"orderId":"o","__proto__":{"admin":true}}');
    await send(topic, '{"orderId":"o"}', { 'checkback-version': '9' });
    await send(topic, '{"orderId":4711}');
    await send(topic, JSON.stringify({ orderId: order }));
    await eventually(() => expect(payments).toContain(order));
    const dead = await eventually(async () => {
      const found = await letters(topic);
      expect(found).toHaveLength(5);
      return found;
    });
    expect(dead.map(({ reasonText }) => reasonText.replace('InvalidMessageError: ', '')).sort()).toEqual([
      'body holds a key __proto__',
      'body nests deeper than 64',
      'body of 24 characters is not JSON',
      'payload is refused by its schema at orderId',
      'payload version "9" is unknown here; known are 1',
    ]);
    for (const letter of dead) {
      expect(letter).toMatchObject({
        group,
        listener: 'charge',
        reason: 'POISON',
        deliveryAttempts: 1,
        errorChain: [{ name: 'InvalidMessageError', code: 'CB_INVALID_MESSAGE' }],
      });
    }
    expect(JSON.stringify(dead)).not.toContain('canary-4711');
  });

  it.each(['NORMAL', 'TRANSACTION'] as const)(
    'go back into a %s topic by command, under the same key, and take effect once',
    async (type) => {
      const [topic, group] = [await createTopic(type), await createGroup({ retryMaxTimes: 16 })];
      const { asked, open: openUp, origin, payments } = await bank();
      await work(topic, group, origin);
      const order = `order-${topic}`;
      const properties = {
        'checkback-owner': 'shop',
        'checkback-listener': 'place-order',
        'checkback-tx': `tx-${topic}`,
        'checkback-lookup': 'rowExists',
        'checkback-correlation-id': 'correlation-1',
      };
      await send(topic, JSON.stringify({ orderId: order }), properties);
      const [letter] = await eventually(async () => {
        const found = await letters(topic);
        expect(found).toHaveLength(1);
        return found;
      });
      expect(letter).toMatchObject({
        reason: 'RETRIES_EXHAUSTED',
        deliveryAttempts: 2,
        callName: 'charge-payment',
        idempotencyKey: order,
        properties,
        errorChain: [{ name: 'CallUnavailableError', code: 'CB_CALL_UNAVAILABLE' }],
      });
      expect(payments).toEqual([]);

      openUp();
      const onlooker = await open.consumer(topic, await createGroup());
      const id = String(letter!.id);
      const replayed = await dlq(topic, group, 'replay', id, '--yes', '--by', 'ada', '--reason', 'the bank is back');
      expect(replayed, replayed.stderr).toMatchObject({ code: 0, stdout: `${id}  replayed to ${topic}\n` });
      await eventually(() => expect(payments).toEqual([order]));
      // Every group of the topic is given it; what the sender said of it is unchanged.
      const seen = await eventually(async () => {
        const delivery = await next(onlooker);
        await delivery.ack();
        expect(delivery.message.properties['checkback-replay']).toBe(letter!.identity);
        return delivery.message;
      });
      expect(seen).toMatchObject({ tag: 'placed', keys: ['k1'], properties });
      expect(Buffer.from(seen.body).toString()).toBe(JSON.stringify({ orderId: order }));
      expect(await store.find(letter!.id)).toMatchObject({ replays: 1, standing: { state: 'REPLAYED', decidedBy: 'ada' } });

      const again = await dlq(topic, group, 'replay', id, '--yes');
      expect(again).toMatchObject({ code: 1, stdout: `${id}  refused: it is REPLAYED\n` });
      // As after a crash in between: REPLAYING, and nobody holds it.
      await orm.em
        .getConnection()
        .execute("update dead_letter set state = 'REPLAYING', lease_owner = 'gone', lease_until = utc_timestamp(3) where id = ?", [
          letter!.id,
        ]);
      await eventually(async () => {
        const refused = await dlq(topic, group, 'replay', id, '--yes');
        expect(refused.stdout).toContain(`key "${order}" is on record as SUCCESS: resolve it instead, or --force`);
      });
      const forced = await dlq(topic, group, 'replay', id, '--yes', '--force');
      expect(forced.stdout).toBe(`${id}  replayed to ${topic}\n`);
      await eventually(async () => expect((await next(onlooker)).message.properties['checkback-replay']).toBe(letter!.identity));
      expect(payments).toEqual([order]);
      expect(new Set(asked)).toEqual(new Set([order]));
    },
  );

  it('are drained from the broker’s own queue, which is waited for, and say which topic they need', async () => {
    const [topic, group] = [await createTopic('NORMAL'), await createGroup({ retryMaxTimes: 0 })];
    const drainGroup = await createGroup({ retryMaxTimes: 1_000 });
    const stop = new AbortController();
    const broker = rocketmq({ endpoints: useStack().endpoints });
    // Before the queue exists.
    await expect(broker.startConsumer({ topic: `%DLQ%${group}`, group: drainGroup })).rejects.toMatchObject({ code: 'CB_CONFIGURATION' });
    const listener = chargeOn(topic, group);
    const draining = drainBrokerDeadLetters(
      { broker, store, group, drainGroup, callOf: callOf([listener], decodeMessage), pauseMs: 200, maxPauseMs: 500 },
      stop.signal,
    );
    cleanups.push(() => (stop.abort(), draining));
    const consumer = await open.consumer(topic, group);
    await send(topic, '{"orderId":"order-1"}', { 'checkback-correlation-id': 'c-1' });
    await (await next(consumer)).changeInvisibleDuration(0);
    const [letter] = await eventually(async () => {
      await consumer.receive(1, 10_000);
      const found = await letters(`%DLQ%${group}`);
      expect(found).toHaveLength(1);
      return found;
    });
    expect(letter).toMatchObject({
      group,
      reason: 'BROKER_LIMIT',
      listener: 'charge',
      idempotencyKey: 'order-1',
      tag: 'placed',
      keys: ['k1'],
      properties: { 'checkback-correlation-id': 'c-1' },
    });
    const id = String(letter!.id);
    expect(await dlq(topic, group, 'replay', id, '--yes')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('name it with --to') as string,
    });
    expect(await dlq(topic, group, 'replay', id, '--yes', '--to', topic)).toMatchObject({
      code: 0,
      stdout: `${id}  replayed to ${topic}\n`,
    });
    const delivery = await next(consumer);
    expect(delivery.message.properties).toEqual({ 'checkback-correlation-id': 'c-1', 'checkback-replay': letter!.identity });
    await delivery.ack();
  });

  it('go into a topic of the type the broker says it has', async () => {
    const options = { endpoints: useStack().endpoints };
    for (const type of ['NORMAL', 'TRANSACTION', 'DELAY', 'FIFO'] as const)
      expect(await rocketmqTopicType(options, await createTopic(type))).toBe(type);
    await expect(rocketmqTopicType(options, 'no-such-topic')).rejects.toMatchObject({ code: 'CB_CONFIGURATION' });
  });

  it('go into a DELAY topic too, and not into a FIFO one', async () => {
    const options = { endpoints: useStack().endpoints };
    const [delay, fifo] = [await createTopic('DELAY'), await createTopic('FIFO')];
    const consumer = await open.consumer(delay, await createGroup());
    const sender = openReplaySender({ ...rocketmq(options), topicType: (topic) => rocketmqTopicType(options, topic) });
    cleanups.push(() => sender.close());
    const content = { tag: 'placed', keys: ['k1'], properties: {}, body: Buffer.from('{}') };
    await sender.send({ topic: delay, ...content });
    expect((await next(consumer)).message).toMatchObject({ topic: delay, keys: ['k1'] });
    await expect(sender.send({ topic: fifo, ...content })).rejects.toMatchObject({ code: 'CB_CONFIGURATION' });
  });
});
