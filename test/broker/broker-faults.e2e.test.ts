import diagnostics from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CheckBack } from '../../src/broker/transactional-producer.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { createGroup, createTopic, startPrivateStack, useStack } from '../support/stack.ts';
import { runAdapterChild } from './run-child.ts';
import { outgoing } from './harness.ts';

const eventually = <T>(attempt: () => T | Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 60_000, interval: 50 });

describe('RocketMQ adapter on a real broker', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  it.each(['lean', 'official'] as const)(
    'answers check-backs although its connections are reset again and again, over the %s path',
    async (path) => {
      const { endpoints } = useStack();
      const port = Number(endpoints.split(':')[1]);
      const topic = await createTopic();
      // The proxy tells clients its own address, so a relay would be left aside: the sockets of this process are cut themselves.
      const sockets = new Set<Socket>();
      const onSocket = (event: unknown): void => void sockets.add((event as { socket: Socket }).socket);
      diagnostics.subscribe('net.client.socket', onSocket);
      cleanups.push(() => diagnostics.unsubscribe('net.client.socket', onSocket));
      const asked = new Set<string>();
      const checkBack: CheckBack = async (half) => {
        asked.add(half.messageId);
        return 'COMMIT';
      };
      const producer = await rocketmq({ endpoints, path }).startTransactionalProducer({ topics: [topic], checkBack });
      cleanups.push(() => producer.close());
      const committed = await useStack().admin.maxOffset(topic);
      for (let cut = 1; cut <= 5; cut += 1) {
        const { messageId } = await eventually(() => producer.sendHalf(outgoing(topic)));
        for (const socket of sockets) if (socket.remotePort === port) socket.resetAndDestroy();
        await eventually(() => expect(asked).toContain(messageId));
      }
      await eventually(async () => expect(await useStack().admin.maxOffset(topic)).toBeGreaterThanOrEqual(committed + 5));
    },
  );

  it('lets its process end by itself after close() in the middle of everything', async () => {
    const [topic, group] = [await createTopic(), await createGroup()];
    expect(await runAdapterChild('busy', useStack().endpoints, { topic, group })).toEqual({
      code: 0,
      stderr: '',
      stdout: 'ClosedError\n[]\n',
    });
  });
});

describe('RocketMQ adapter on a broker that is killed and started again', () => {
  it.each(['lean', 'official'] as const)(
    'sends, receives and answers check-backs again over the %s path, without being started anew',
    async (path) => {
      const stack = await startPrivateStack();
      const { admin, endpoints, broker } = stack;
      const [topic, group] = [await createTopic('TRANSACTION', { admin }), await createGroup({ admin, retryMaxTimes: 10 })];
      const asked = new Set<string>();
      let answer: 'COMMIT' | 'UNKNOWN' = 'UNKNOWN';
      const checkBack: CheckBack = async (half) => {
        asked.add(half.messageId);
        return answer;
      };
      const client = rocketmq({ endpoints, path });
      const producer = await client.startTransactionalProducer({ topics: [topic], checkBack });
      const consumer = await client.startConsumer({ topic, group, longPollMs: 2_000 });
      const received = new Set<string>();
      const receiveUntil = (messageId: string): Promise<void> =>
        eventually(async () => {
          for (const delivery of await consumer.receive(32, 10_000)) {
            received.add(delivery.message.messageId);
            await delivery.ack();
          }
          expect(received).toContain(messageId);
        });
      try {
        const before = await producer.sendHalf(outgoing(topic));
        await before.end('COMMIT');
        await receiveUntil(before.messageId);
        const open = await producer.sendHalf(outgoing(topic));

        for (let kill = 1; kill <= 2; kill += 1) {
          broker.kill('SIGKILL');
          await broker.waitForExit();
          await expect(producer.sendHalf(outgoing(topic))).rejects.toMatchObject({ code: 'CB_HALF_MESSAGE', retryable: true });
          await expect(consumer.receive(1, 10_000)).rejects.toMatchObject({ code: 'CB_BROKER', retryable: true });
          asked.clear();
          await broker.start();
          await eventually(() => expect(asked).toContain(open.messageId));
          const after = await eventually(() => producer.sendHalf(outgoing(topic)));
          await after.end('COMMIT');
          await receiveUntil(after.messageId);
        }
        expect(received).not.toContain(open.messageId);
        answer = 'COMMIT';
        await receiveUntil(open.messageId);
      } finally {
        await producer.close();
        await consumer.close();
        await stack.close();
      }
    },
    400_000,
  );
});
