import { expect, it } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { EmbeddedBroker, ManualClock } from '../../src/testing.ts';

it('A day of check-backs over the wire passes while one waits, and every round is asked', async () => {
  const clock = new ManualClock();
  const broker = await EmbeddedBroker.start({ clock, topics: { orders: 'TRANSACTION' }, settings: { transactionCheckMax: 10_000 } });
  const rounds: number[] = [];
  const producer = await rocketmq({ endpoints: broker.endpoints }).startTransactionalProducer({
    topics: ['orders'],
    checkBack: async ({ round }) => {
      rounds.push(round);
      return 'UNKNOWN';
    },
  });
  await producer.sendHalf({ topic: 'orders', tag: '', keys: [], properties: {}, body: Buffer.from('x') });
  const started = performance.now();
  await clock.advance(24 * 3_600_000);
  console.info(`24 hours over the wire in ${Math.round(performance.now() - started)} ms`);
  expect(broker.inspect.halfMessages()).toMatchObject([{ rounds: 2_880 }]);
  expect(rounds).toEqual(Array.from({ length: 2_880 }, (_, index) => index + 1));
  await producer.close();
  await broker.close();
});
