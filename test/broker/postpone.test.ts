import { afterEach, describe, expect, it, vi } from 'vitest';
import { deliver, startFakeProxy, wireMessage } from '../support/broker-fake-proxy.ts';
import { adapter, eventually, TOPIC } from './harness.ts';

type Wait = (arrivedAt: number) => Promise<void>;

const gate = vi.hoisted(() => ({ asked: [] as number[], opened: Promise.withResolvers<void>() }));
vi.mock('../../src/broker/rocketmq/after-its-millisecond.ts', async (original) => {
  const { afterItsMillisecond } = await original<{ afterItsMillisecond: Wait }>();
  return {
    real: afterItsMillisecond,
    afterItsMillisecond: (arrivedAt: number) => {
      gate.asked.push(arrivedAt);
      return gate.opened.promise;
    },
  };
});

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

describe('A message that has just arrived', () => {
  it('is postponed when the millisecond of its pop is over', async () => {
    const proxy = await startFakeProxy();
    cleanups.push(() => proxy.close());
    const consumer = await adapter(proxy.endpoints).startConsumer({ topic: TOPIC, group: 'g' });
    cleanups.push(() => consumer.close(1_000));
    proxy.script.receive = (poll) => deliver(poll, [wireMessage({ topic: TOPIC, messageId: 'm1' })]);
    const askedAt = performance.now();
    const [delivery] = await consumer.receive(1, 10_000);
    const postponed = delivery!.changeInvisibleDuration(5_000);
    await eventually(() => expect(gate.asked).toHaveLength(1));
    expect(gate.asked[0]).toBeGreaterThan(askedAt);
    expect(proxy.requests('changeInvisibleDuration')).toHaveLength(0);
    gate.opened.resolve();
    await postponed;
    expect(proxy.requests('changeInvisibleDuration')).toHaveLength(1);
  });

  it('waits three milliseconds for that, and nothing when they are over', async () => {
    const { real } = (await import('../../src/broker/rocketmq/after-its-millisecond.ts')) as unknown as { real: Wait };
    const arrivedAt = performance.now();
    await real(arrivedAt);
    expect(performance.now() - arrivedAt).toBeGreaterThanOrEqual(3);
    const order: string[] = [];
    void real(performance.now() - 3).then(() => order.push('over'));
    void real(performance.now() + 200).then(() => order.push('not over'));
    await Promise.resolve();
    expect(order).toEqual(['over']);
  });
});
