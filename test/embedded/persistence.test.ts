import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { EmbeddedBroker } from '../../src/testing.ts';

const SETTINGS = { transactionTimeOutMs: 100, transactionCheckIntervalMs: 100, opBatchIntervalMs: 10, minLongPollMs: 100 };
const order = (note: string) => ({ topic: 'orders', tag: '', keys: [], properties: { note }, body: Buffer.from(note) });
const eventually = <T>(attempt: () => T | Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 20_000, interval: 20 });

describe('An embedded broker with a file', () => {
  let directory: string;
  let file: string;
  const cleanups: (() => Promise<unknown>)[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'checkback-journal-'));
    file = join(directory, 'broker.journal');
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    rmSync(directory, { recursive: true });
  });

  const start = async (settings = SETTINGS) => {
    const broker = await EmbeddedBroker.start({ file, topics: { orders: 'TRANSACTION' }, groups: { bank: {} }, settings });
    cleanups.push(() => broker.close());
    return broker;
  };
  const connect = async (broker: EmbeddedBroker, checkBack = async (): Promise<'UNKNOWN' | 'COMMIT'> => 'UNKNOWN') => {
    const client = rocketmq({ endpoints: broker.endpoints });
    const producer = await client.startTransactionalProducer({ topics: ['orders'], checkBack });
    cleanups.push(() => producer.close());
    const consumer = await client.startConsumer({ topic: 'orders', group: 'bank', longPollMs: 500 });
    cleanups.push(() => consumer.close());
    return { producer, consumer };
  };

  it('knows after a crash what it had answered: halves, messages, what was in hand', async () => {
    // An END after the first question would be for the wrong copy of its half.
    const broker = await start({ ...SETTINGS, transactionTimeOutMs: 3_000 });
    let answer: 'UNKNOWN' | 'COMMIT' = 'UNKNOWN';
    const { producer, consumer } = await connect(broker, async () => answer);
    const halves = await Promise.all(['a', 'b'].map((note) => producer.sendHalf(order(note))));
    await halves[0]!.end('COMMIT');
    await halves[1]!.end('ROLLBACK');
    const [held] = await consumer.receive(1, 600_000);
    expect(held?.message.properties).toEqual({ note: 'a' });
    await eventually(() => expect(broker.inspect.stats.unwrittenOps).toBe(0));
    // Its answer says that everything before it is in the file.
    await producer.sendHalf(order('c'));
    await broker.faults.crash();
    await broker.faults.recover();
    expect(broker.inspect.halfMessages().map(({ properties }) => properties['note'])).toEqual(['c']);
    answer = 'COMMIT';
    const notes = new Map<unknown, number>();
    await eventually(async () => {
      for (const { message, ack } of await consumer.receive(32, 600_000).catch(() => [])) {
        notes.set(message.properties['note'], message.deliveryAttempt);
        await ack();
      }
      expect(Object.fromEntries(notes)).toEqual({ a: 2, c: 1 });
    });
  });

  it('forgets an END of before the crash only in the proxy: the record of the half is gone, the check-back decides', async () => {
    const broker = await start();
    const { producer } = await connect(broker);
    const half = await producer.sendHalf(order('x'));
    await broker.faults.crash();
    await broker.faults.recover();
    await eventually(() => expect(half.end('COMMIT')).rejects.toMatchObject({ code: 50001 }));
  });

  it('survives its own process: another broker goes on where it stopped', async () => {
    const first = await start();
    const { producer } = await connect(first);
    const half = await producer.sendHalf(order('kept'));
    await half.end('COMMIT');
    await first.close();
    const second = await EmbeddedBroker.start({ file, settings: SETTINGS });
    cleanups.push(() => second.close());
    const consumer = await rocketmq({ endpoints: second.endpoints }).startConsumer({ topic: 'orders', group: 'bank' });
    cleanups.push(() => consumer.close());
    const [delivery] = await consumer.receive(1, 30_000);
    expect(delivery?.message).toMatchObject({ messageId: half.messageId, properties: { note: 'kept' } });
  });

  it('starts from a file with a torn end and keeps a copy of it', async () => {
    const first = await start();
    await first.close();
    appendFileSync(file, Buffer.from([40, 0, 0, 0, 1, 2, 3]));
    const second = await start();
    expect(second.inspect.topics()).toContain('orders');
    expect(existsSync(`${file}.torn`)).toBe(true);
  });

  it('leaves a file alone that is not a journal', async () => {
    writeFileSync(file, 'dear diary');
    await expect(EmbeddedBroker.start({ file })).rejects.toThrow('is not a journal of this broker');
    expect(readFileSync(file, 'utf8')).toBe('dear diary');
  });
});
