import { afterEach, describe, expect, it } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { EmbeddedBroker } from '../../src/testing.ts';

describe('EmbeddedBroker', () => {
  let broker: EmbeddedBroker | undefined;
  afterEach(() => broker?.close());

  it('takes a half and its COMMIT from the official client, and delivers', async () => {
    broker = await EmbeddedBroker.start({ topics: { orders: 'TRANSACTION' }, groups: { bank: {} } });
    const client = rocketmq({ endpoints: broker.endpoints });
    const producer = await client.startTransactionalProducer({ topics: ['orders'], checkBack: async () => 'UNKNOWN' });
    const consumer = await client.startConsumer({ topic: 'orders', group: 'bank' });
    const half = await producer.sendHalf({ topic: 'orders', tag: 't', keys: ['k'], properties: { a: 'b' }, body: Buffer.from('x') });
    await half.end('COMMIT');
    const [delivery] = await consumer.receive(1, 10_000);
    expect(delivery?.message).toMatchObject({ messageId: half.messageId, properties: { a: 'b' } });
    await delivery?.ack();
    await producer.close();
    await consumer.close();
  });
});
