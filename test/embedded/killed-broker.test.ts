import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';

describe('A broker process that is killed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'checkback-killed-'));
  const file = join(directory, 'journal');
  const cleanups: (() => Promise<unknown>)[] = [];
  let child: ChildProcess;
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    rmSync(directory, { recursive: true });
  });

  const start = async (port = '0'): Promise<string> => {
    child = fork(resolve(import.meta.dirname, 'support/broker.child.ts'), [file, port], { execArgv: [] });
    const started = child;
    cleanups.push(async () => void started.kill('SIGKILL'));
    const [endpoints] = (await once(child, 'message')) as [string];
    return endpoints;
  };

  it('has every half and every message it confirmed when it is started again', async () => {
    const endpoints = await start();
    const client = rocketmq({ endpoints });
    const producer = await client.startTransactionalProducer({ topics: ['orders'], checkBack: async () => 'UNKNOWN' });
    cleanups.push(() => producer.close(500));
    const halves: string[] = [];
    const committed: string[] = [];
    let sent = 0;
    const place = async (): Promise<void> => {
      for (;;) {
        sent += 1;
        const note = String(sent);
        const half = await producer.sendHalf({ topic: 'orders', tag: '', keys: [], properties: { note }, body: Buffer.from('x') });
        halves.push(note);
        if (sent % 3 === 0) continue;
        await half.end('COMMIT');
        committed.push(note);
        if (committed.length === 300) child.kill('SIGKILL');
      }
    };
    const killed = once(child, 'exit');
    await Promise.allSettled(Array.from({ length: 16 }, place));
    await killed;

    await start(endpoints.split(':')[1]);
    child.send('halves?');
    const [undecided] = (await once(child, 'message')) as [string[]];
    const consumer = await client.startConsumer({ topic: 'orders', group: 'bank', longPollMs: 200 });
    cleanups.push(() => consumer.close());
    const delivered = new Set<string>();
    for (;;) {
      const deliveries = await consumer.receive(32, 60_000);
      if (deliveries.length === 0) break;
      for (const { message } of deliveries) delivered.add(message.properties['note']!);
    }
    expect(committed.length).toBeGreaterThanOrEqual(300);
    expect(committed.filter((note) => !delivered.has(note))).toEqual([]);
    const known = new Set([...undecided, ...delivered]);
    expect(halves.filter((note) => !known.has(note))).toEqual([]);
  });
});
