import { expect, it } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { createGroup, createTopic, startPrivateStack } from '../support/stack.ts';
import { eventually, message, recordingCheckBack } from './harness.ts';

const PARKED = 'TRANS_CHECK_MAX_TIME_TOPIC';

it('a half that is asked about transactionCheckMax times without an answer is parked where no consumer may read', async () => {
  const stack = await startPrivateStack();
  const { admin, endpoints } = stack;
  try {
    await admin.setBrokerConfig('transactionCheckMax', '3');
    const [topic, group] = [await createTopic('TRANSACTION', { admin }), await createGroup({ admin })];
    const { asked, checkBack } = recordingCheckBack();
    const broker = rocketmq({ endpoints });
    const producer = await broker.startTransactionalProducer({ topics: [topic], checkBack });
    const half = await producer.sendHalf(message(topic));
    await eventually(async () => expect(await admin.maxOffset(PARKED)).toBe(1));
    expect(asked.map(({ round }) => round)).toEqual([1, 2, 3]);
    await expect(broker.startConsumer({ topic: PARKED, group })).rejects.toMatchObject({
      code: 'CB_BROKER',
      retryable: false,
      cause: { code: 40002 },
    });
    // Parked is not finished: a late COMMIT, after a check was seen, still delivers.
    expect(await admin.maxOffset(topic)).toBe(0);
    await half.end('COMMIT');
    await eventually(async () => expect(await admin.maxOffset(topic)).toBe(1));
    await producer.close();
  } finally {
    await stack.close();
  }
}, 300_000);
