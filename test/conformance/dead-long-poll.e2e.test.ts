import { expect, it } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { createGroup, createTopic, useStack } from '../support/stack.ts';

const MESSAGES = 40;
const KILLED = 4;

// One message a long poll at most: RocketMQ 5.4.0 forgets what it pops for a dead one and hands back in the same millisecond.
it('what is produced while a killed consumer’s long polls are still open at the proxy comes to the others, but for one message a poll', async () => {
  const { endpoints } = useStack();
  const [topic, group] = await Promise.all([createTopic('NORMAL'), createGroup({ retryMaxTimes: 100 })]);
  await using resources = new AsyncDisposableStack();
  const producer = resources.adopt(await rocketmq({ endpoints }).startProducer({ topic, type: 'NORMAL' }), (started) => started.close());
  for (let count = 0; count < KILLED; count += 1) {
    await using doomed = startProcess<{ kind: string }>('test/conformance/dead-long-poll.child.ts', [
      JSON.stringify({ endpoints, topic, group }),
    ]);
    await expect.poll(() => doomed.reports.length, { timeout: 60_000 }).toBe(1);
    doomed.kill('SIGKILL');
    await doomed.ended;
    for (let index = 0; index < MESSAGES / KILLED; index += 1)
      await producer.send({ topic, tag: 't', keys: [], properties: {}, body: Buffer.from(`${count}-${index}`) });
  }
  const consumer = resources.adopt(await rocketmq({ endpoints }).startConsumer({ topic, group, longPollMs: 5_000 }), (started) =>
    started.close(),
  );
  const seen = new Set<string>();
  const stop = new AbortController();
  const receiving = (async () => {
    while (!stop.signal.aborted) {
      for (const delivery of await consumer.receive(32, 10_000, stop.signal).catch(() => [])) {
        seen.add(Buffer.from(delivery.message.body).toString());
        await delivery.ack();
      }
    }
  })();
  try {
    await expect.poll(() => seen.size, { timeout: 90_000, interval: 200 }).toBeGreaterThanOrEqual(MESSAGES - KILLED);
  } finally {
    stop.abort(new Error('enough'));
    await receiving;
  }
});
