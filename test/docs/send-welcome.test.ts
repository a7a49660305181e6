import { expect, it, vi } from 'vitest';
import { rocketmq, startWorker } from '../../src/index.ts';
import { EmbeddedBroker, ManualClock } from '../../src/testing.ts';
import { mail, sendWelcome } from './send-welcome.listener.ts';

it('sends the welcome again a minute after the mail server was down', async () => {
  const clock = new ManualClock();
  const broker = await EmbeddedBroker.start({ clock, topics: { signups: 'NORMAL' }, groups: { welcome: { retryMaxTimes: 5 } } });
  const client = rocketmq({ endpoints: broker.endpoints });
  const worker = startWorker({ clock, consumers: [{ listener: sendWelcome, consumer: await client.startConsumer(sendWelcome) }] });
  const send = vi.spyOn(mail, 'send').mockRejectedValueOnce(new Error('mail server is down'));

  const producer = await client.startProducer({ topic: 'signups' });
  await producer.send({ topic: 'signups', tag: '', keys: [], properties: {}, body: Buffer.from('{"address":"a@b.c"}') });
  await vi.waitFor(() => expect(send).toHaveBeenCalledTimes(1));
  await clock.advance(60_000);
  await vi.waitFor(() => expect(broker.inspect.queued('signups', 'welcome')).toBe(0));

  expect(broker.inspect.deliveries().map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(send).toHaveBeenLastCalledWith('a@b.c');
  await Promise.all([worker.close(), producer.close()]);
  await broker.close();
});
