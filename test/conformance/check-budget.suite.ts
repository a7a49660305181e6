import { afterEach, describe, expect, it } from 'vitest';
import { sendBareHalf } from './bare-half.ts';
import type { BrokerUnderTest, PrivateBroker, PrivateSettings } from './broker-under-test.ts';
import { conformance, eventually, message, next, recordingCheckBack } from './harness.ts';

const PARKED = 'TRANS_CHECK_MAX_TIME_TOPIC';

/** What becomes of halves that nobody answers for. */
export function checkBudgetSuite(broker: BrokerUnderTest): void {
  describe(`the check budget of ${broker.name}`, () => {
    let own: PrivateBroker | undefined;
    const open = conformance(() => own!.endpoints);
    const start = async (settings: PrivateSettings) => {
      own = await broker.startPrivate(settings);
      return { own, topic: await own.createTopic(), group: await own.createGroup() };
    };
    afterEach(async () => {
      await open.closeAll();
      await own?.close();
    });

    it('parks a half after transactionCheckMax rounds without an answer, where no consumer may read; a late COMMIT still delivers', async () => {
      const { own, topic, group } = await start({ transactionCheckMax: 3 });
      const { asked, checkBack } = recordingCheckBack();
      const producer = await open.producer(topic, checkBack);
      const half = await producer.sendHalf(message(topic));
      await eventually(async () => expect(await own.parked()).toBe(1));
      expect(asked.map(({ round }) => round)).toEqual([1, 2, 3]);
      await expect(open.consumer(PARKED, group)).rejects.toMatchObject({ code: 'CB_BROKER', retryable: false, cause: { code: 40002 } });
      expect(await own.readable(topic)).toBe(0);
      await half.end('COMMIT');
      await eventually(async () => expect(await own.readable(topic)).toBe(1));
    }, 300_000);

    it('counts rounds with no producer online, and parks a half without a time of birth unasked', async () => {
      const { own, topic } = await start({ transactionCheckMax: 3 });
      const { producer } = await open.bare(topic);
      await sendBareHalf(producer, topic, { bornAt: undefined });
      await eventually(async () => expect(await own.parked()).toBe(1));
      await sendBareHalf(producer, topic);
      await open.closeAll();
      await eventually(async () => expect(await own.parked()).toBe(2));
      expect(await own.readable(topic)).toBe(0);
    }, 300_000);

    it('asks about a half that is committed but not recorded yet, and may park what was delivered', async () => {
      const { own, topic, group } = await start({ transactionCheckMax: 2, opBatchIntervalMs: 20_000 });
      const { asked, checkBack } = recordingCheckBack();
      const producer = await open.producer(topic, checkBack);
      const consumer = await open.consumer(topic, group);
      const half = await producer.sendHalf(message(topic));
      await half.end('COMMIT');
      expect((await next(consumer)).message.messageId).toBe(half.messageId);
      await eventually(async () => expect(await own.parked()).toBe(1));
      expect(asked.map(({ messageId }) => messageId)).toEqual([half.messageId, half.messageId]);
    }, 300_000);
  });
}
