import { describe, expect, it } from 'vitest';
import { BrokerError, ConfigurationError } from '../../src/errors.ts';
import { onSegmentedLogEvent } from '../../src/segmented-log/diagnostics.ts';
import { resolveSegmentedLogDrainLimits } from '../../src/segmented-log/drain-options.ts';
import type { SegmentedLog } from '../../src/segmented-log/segmented-log.ts';
import { startSegmentedLogDrain } from '../../src/segmented-log/segmented-log-drain.ts';
import { ScriptedSender } from '../outbox/support/scripted-sender.ts';
import { diskError, FailingDisk } from './support/failing-disk.ts';
import { eventually, loggedMessage, logIn, newDirectory, segmentNames, tagsIn } from './support/directories.ts';

const quick = { retryMs: 1, maxRetryMs: 5, cursorMs: 1 };
const appendAll = async (
  log: SegmentedLog,
  count: number,
  key: (index: number) => string = (index) => `k${index % 7}`,
): Promise<string[]> => {
  await log.start();
  const tags = Array.from({ length: count }, (_, index) => `m${index}`);
  await Promise.all(tags.map((tag, index) => log.append([loggedMessage(tag, key(index))])));
  return tags;
};
const numberOf = (tag: string): number => Number(tag.slice(1));

describe('The drain of a segmented log', () => {
  it('sends what is appended, before and after it was started, and deletes what is drained', async () => {
    const directory = newDirectory();
    const log = logIn(directory, { segmentBytes: 1_024 });
    const sender = new ScriptedSender();
    await appendAll(log, 50);
    const drain = startSegmentedLogDrain({ log, sender, ...quick });
    await eventually(() => sender.sent.length).toBe(50);
    await log.append([loggedMessage('late')]);
    await eventually(() => sender.sent.at(-1)).toBe('late');
    expect(new Set(sender.sent).size).toBe(51);
    await drain.close();
    expect(log.stats()).toMatchObject({ waiting: 0, parked: 0 });
    expect(segmentNames(directory)).toHaveLength(1);
    expect(drain.stats()).toEqual({ sent: 51, failed: 0, parked: 0 });
  });

  it('keeps the order of each topic and first key, whatever fails, with lanes side by side', async () => {
    const log = logIn(newDirectory());
    const sender = new ScriptedSender();
    let calls = 0;
    sender.before = async () => {
      await new Promise(setImmediate);
      calls += 1;
      if (calls % 3 === 0) throw new BrokerError('nobody answers', { retryable: true });
    };
    await appendAll(log, 140);
    const drain = startSegmentedLogDrain({ log, sender, ...quick, concurrency: 4 });
    await eventually(() => sender.sent.length).toBe(140);
    for (let lane = 0; lane < 7; lane += 1) {
      const ofLane = sender.sent.map(numberOf).filter((index) => index % 7 === lane);
      expect(ofLane).toEqual(Array.from({ length: 20 }, (_, index) => index * 7 + lane));
    }
    expect(sender.mostInFlight).toBeGreaterThan(1);
    expect(sender.mostInFlight).toBeLessThanOrEqual(4);
    await drain.close();
  });

  it('waits for a broker that is down, and sends everything when it is back', async () => {
    const log = logIn(newDirectory());
    const sender = new ScriptedSender();
    sender.isDown = true;
    const failures: number[] = [];
    const stop = onSegmentedLogEvent('failed', ({ attempt }) => failures.push(attempt));
    await appendAll(log, 60, (index) => `k${index}`);
    const drain = startSegmentedLogDrain({ log, sender, ...quick, concurrency: 4 });
    await eventually(() => failures.length).toBeGreaterThan(20);
    expect(sender.sent).toEqual([]);
    // Orders are taken all the while.
    await log.append([loggedMessage('taken', 'other')]);
    sender.isDown = false;
    await eventually(() => sender.sent.length).toBe(61);
    stop();
    await drain.close();
  });

  it('asks a broker that is down one message at a time, with pauses that grow', async () => {
    const log = logIn(newDirectory());
    const sender = new ScriptedSender();
    sender.isDown = true;
    let inFlight = 0;
    let most = 0;
    sender.before = async () => {
      inFlight += 1;
      if (failed >= 4) most = Math.max(most, inFlight);
      await new Promise(setImmediate);
      inFlight -= 1;
    };
    let failed = 0;
    const stop = onSegmentedLogEvent('failed', () => void (failed += 1));
    await appendAll(log, 40, (index) => `k${index}`);
    const drain = startSegmentedLogDrain({ log, sender, ...quick, concurrency: 4 });
    await eventually(() => failed).toBeGreaterThan(20);
    expect(most).toBe(1);
    stop();
    await drain.close();
  });

  it('does not hold up others for a topic that is missing', async () => {
    const log = logIn(newDirectory());
    const sender = new ScriptedSender();
    sender.before = async ({ keys }) => {
      if (keys[0] === 'k0') throw new ConfigurationError('no such topic');
    };
    await appendAll(log, 70);
    const drain = startSegmentedLogDrain({ log, sender, ...quick });
    await eventually(() => sender.sent.length).toBe(60);
    sender.before = async () => {};
    await eventually(() => sender.sent.length).toBe(70);
    await drain.close();
  });

  it('parks what the broker refuses for good, with its reason, and goes on with its lane', async () => {
    const directory = newDirectory();
    const log = logIn(directory);
    const sender = new ScriptedSender();
    sender.refused.add('m1');
    const told: unknown[] = [];
    const stop = onSegmentedLogEvent('parked', (event) => told.push(event));
    await appendAll(log, 3, () => 'k');
    const drain = startSegmentedLogDrain({ log, sender, ...quick });
    await eventually(() => sender.sent).toEqual(['m0', 'm2']);
    await drain.close();
    stop();
    expect(told).toMatchObject([{ number: 2, topic: 'orders', transactionId: 'tx-m1', correlationId: 'c-m1' }]);
    const parked = [];
    for await (const each of log.parked()) parked.push(each);
    expect(parked).toMatchObject([{ number: 2, reason: 'too large', message: { tag: 'm1' } }]);
    expect(log.stats()).toMatchObject({ waiting: 0, parked: 1 });
  });

  it('neither sends past nor forgets a message that cannot be parked yet', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), {}, disk);
    const sender = new ScriptedSender();
    sender.refused.add('m0');
    await appendAll(log, 2, () => 'k');
    let refusals = 0;
    disk.fails = (operation, path) => {
      if (operation !== 'open' || !path.includes('parked.log.new')) return undefined;
      refusals += 1;
      return diskError('ENOSPC');
    };
    const drain = startSegmentedLogDrain({ log, sender, ...quick });
    await eventually(() => refusals).toBeGreaterThan(2);
    expect(sender.sent).toEqual([]);
    disk.fails = () => undefined;
    await eventually(() => sender.sent).toEqual(['m1']);
    await drain.close();
    expect(log.stats().parked).toBe(1);
  });

  it('goes on where the last one closed, sending nothing twice', async () => {
    const directory = newDirectory();
    const first = new ScriptedSender();
    const log = logIn(directory);
    await appendAll(log, 40);
    first.before = async ({ keys }) => {
      if (keys[0] === 'k3') throw new BrokerError('nobody answers', { retryable: true });
    };
    const drain = startSegmentedLogDrain({ log, sender: first, ...quick });
    await eventually(() => first.sent.length).toBeGreaterThan(20);
    await drain.close();
    await log.close();
    const second = new ScriptedSender();
    const again = logIn(directory);
    const next = startSegmentedLogDrain({ log: again, sender: second, ...quick });
    await eventually(() => first.sent.length + second.sent.length).toBe(40);
    expect(new Set([...first.sent, ...second.sent]).size).toBe(40);
    await next.close();
  });

  it('sends again after a crash only what was sent since the cursor was written', async () => {
    const directory = newDirectory();
    const log = logIn(directory);
    await appendAll(log, 30);
    // A drain that confirms 20 and writes down 12 of them, as a crash leaves it.
    const side = await log.openDrainSide();
    for (let number = 1; number <= 20; number += 1) {
      if (number === 13) await side.store();
      side.progress.confirm(number);
    }
    await side.release();
    await log.close();
    const sender = new ScriptedSender();
    const again = logIn(directory);
    const drain = startSegmentedLogDrain({ log: again, sender, ...quick });
    await eventually(() => sender.sent.length).toBe(18);
    await drain.close();
    expect(new Set(sender.sent.map(numberOf))).toEqual(new Set(Array.from({ length: 18 }, (_, index) => index + 12)));
  });

  it('has few of 100,000 messages in memory, and leaves one segment of them', { timeout: 240_000 }, async () => {
    const directory = newDirectory();
    const log = logIn(directory, { fsync: 'never', segmentBytes: 2 ** 20 });
    await log.start();
    const count = 100_000;
    for (let at = 0; at < count; at += 5_000)
      await Promise.all(Array.from({ length: 5_000 }, (_, index) => log.append([loggedMessage(`m${at + index}`, `k${index % 500}`)])));
    let read = 0;
    let sent = 0;
    let most = 0;
    const watched: SegmentedLog = {
      ...log,
      openDrainSide: async () => {
        const side = await log.openDrainSide();
        return {
          ...side,
          read: async () => {
            const records = await side.read();
            read += records?.count ?? 0;
            most = Math.max(most, read - sent);
            return records;
          },
        };
      },
    };
    const sender = {
      send: async () => {
        sent += 1;
        return { messageId: 'id' };
      },
      close: async () => {},
    };
    const drain = startSegmentedLogDrain({ log: watched, sender, window: 300 });
    await expect.poll(() => drain.stats().sent, { timeout: 150_000 }).toBe(count);
    await drain.close();
    expect(most).toBeLessThanOrEqual(300);
    expect(log.stats()).toMatchObject({ waiting: 0, segments: 1 });
  });

  it('sends what is left when it is closed, as long as there is time and a broker', async () => {
    const log = logIn(newDirectory());
    const sender = new ScriptedSender();
    await appendAll(log, 500);
    const drain = startSegmentedLogDrain({ log, sender, ...quick });
    await drain.close(30_000);
    expect(sender.sent).toHaveLength(500);
    expect(log.stats().waiting).toBe(0);
    await log.append([loggedMessage('after')]);
    expect(await tagsIn(log)).toEqual(['after']);
  });

  it('does not wait for a broker that is down when it is closed, and does not outlive its deadline when a send hangs', async () => {
    const log = logIn(newDirectory());
    const sender = new ScriptedSender();
    sender.isDown = true;
    await appendAll(log, 5);
    await startSegmentedLogDrain({ log, sender, retryMs: 60_000, maxRetryMs: 60_000 }).close(600_000);
    sender.isDown = false;
    const hanging = Promise.withResolvers<void>();
    sender.before = () => hanging.promise;
    const drain = startSegmentedLogDrain({ log, sender });
    await eventually(() => sender.inFlight).toBeGreaterThan(0);
    await drain.close(10);
    // What comes of it now is nobody's any more.
    hanging.resolve();
    await eventually(() => sender.inFlight).toBe(0);
    expect(drain.stats().sent).toBe(0);
    expect(await tagsIn(log)).toHaveLength(5);
    await drain.close();
  });

  it('passes over records that are gone, and sends those around them', async () => {
    const { recover } = await import('../../src/segmented-log/recover.ts');
    const { nodeFileSystem } = await import('../../src/segmented-log/file-system.ts');
    const { readFileSync, writeFileSync } = await import('node:fs');
    const { join } = await import('node:path');
    const directory = newDirectory();
    const log = logIn(directory);
    await log.start();
    for (const tag of ['m0', 'm1', 'm2', 'm3']) await log.append([loggedMessage(tag)]);
    await log.close();
    const path = join(directory, segmentNames(directory)[0]!);
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length / 4) + 50]! ^= 1;
    writeFileSync(path, bytes);
    await recover(nodeFileSystem, directory, 'skip');
    const sender = new ScriptedSender();
    const again = logIn(directory);
    const drain = startSegmentedLogDrain({ log: again, sender, ...quick });
    await eventually(() => sender.sent).toEqual(['m0', 'm2', 'm3']);
    await drain.close();
    expect(again.stats().waiting).toBe(0);
  });

  it('says that it cannot open a log, and ends', async () => {
    const directory = newDirectory();
    const holder = logIn(directory);
    await holder.start();
    const said: string[] = [];
    const logger = { debug() {}, info() {}, warn() {}, error: (_: object, message: string) => void said.push(message) };
    const drain = startSegmentedLogDrain({ log: logIn(directory), sender: new ScriptedSender(), logger });
    await drain.close(60_000);
    expect(said).toEqual(['the segmented log is not drained: it cannot be opened']);
  });

  it.each([
    [{ concurrency: 0 }, 'concurrency must be a whole number from 1 to 1000, it is 0'],
    [{ window: 60_000 }, 'window must be a whole number from 1 to 50000'],
    [{ retryMs: 100, maxRetryMs: 50 }, 'retryMs must not be above maxRetryMs (50), it is 100'],
  ])('refuses %j', (limits, message) => {
    expect(() => resolveSegmentedLogDrainLimits(limits)).toThrow(message);
  });
});
