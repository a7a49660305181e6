import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ClosedError, ConfigurationError, InvalidMessageError } from '../../src/errors.ts';
import { onSegmentedLogEvent, type SegmentedLogDiagnostics } from '../../src/segmented-log/diagnostics.ts';
import { segmentedLog } from '../../src/segmented-log/segmented-log.ts';
import { diskError, FailingDisk } from './support/failing-disk.ts';
import { eventually, loggedMessage, logIn, newDirectory, segmentNames, tagsIn } from './support/directories.ts';

const isSegment = (path: string): boolean => /\d{16}-[0-9a-f]{8}\.log$/.test(path);

describe('A segmented log', () => {
  it('gives back what was appended, in its order, after it is opened again', async () => {
    const directory = newDirectory();
    const log = logIn(directory, { segmentBytes: 1_024 });
    await log.start();
    for (let index = 0; index < 30; index += 1) await log.append([loggedMessage(`a${index}`), loggedMessage(`b${index}`)]);
    expect(log.stats()).toMatchObject({ state: 'OPEN', waiting: 60, parked: 0 });
    const expected = Array.from({ length: 30 }, (_, index) => [`a${index}`, `b${index}`]).flat();
    expect(await tagsIn(log)).toEqual(expected);
    await log.close();
    const again = logIn(directory);
    await again.start();
    expect(await tagsIn(again)).toEqual(expected);
    await again.append([loggedMessage('last')]);
    expect(await tagsIn(again)).toEqual([...expected, 'last']);
    expect(segmentNames(directory).length).toBeGreaterThan(3);
  });

  it('lets appends that come together share writes and syncs', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), {}, disk);
    await log.start();
    await log.append([loggedMessage('first')]);
    const before = { ...disk.done };
    await Promise.all(Array.from({ length: 200 }, (_, index) => log.append([loggedMessage(`m${index}`)])));
    expect(disk.done.sync - before.sync).toBeLessThan(20);
    expect(disk.done.write - before.write).toBeLessThan(20);
    expect(await tagsIn(log)).toHaveLength(201);
  });

  it('acknowledges under `always` only what a sync has covered, and under the others without one', async () => {
    for (const fsync of ['always', 'never', { everyMs: 60_000 }] as const) {
      const disk = new FailingDisk();
      const log = logIn(newDirectory(), { fsync }, disk);
      await log.start();
      await log.append([loggedMessage('begins the segment')]);
      const gate = Promise.withResolvers<undefined>();
      let asked = 0;
      disk.fails = (operation, path) => {
        if (operation !== 'sync' || !isSegment(path)) return undefined;
        asked += 1;
        return gate.promise;
      };
      let isAcknowledged = false;
      const append = log.append([loggedMessage('m')]).then(() => (isAcknowledged = true));
      const isSynced = fsync === 'always';
      await (isSynced ? eventually(() => asked).toBe(1) : append);
      expect([asked, isAcknowledged]).toEqual(isSynced ? [1, false] : [0, true]);
      gate.resolve(undefined);
      await append;
      await log.close();
    }
  });

  it('syncs within `everyMs`, and when it is closed', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), { fsync: { everyMs: 1 } }, disk);
    await log.start();
    const syncs: string[] = [];
    disk.fails = (operation, path) => {
      if (operation === 'sync' && isSegment(path)) syncs.push(path);
      return undefined;
    };
    await log.append([loggedMessage('m')]);
    await eventually(() => syncs.length).toBe(1);
    const other = logIn(newDirectory(), { fsync: 'never' }, disk);
    await other.start();
    await other.append([loggedMessage('m')]);
    expect(syncs).toHaveLength(1);
    await other.close();
    expect(syncs).toHaveLength(2);
  });

  it('writes the rest when the disk takes less than it was given', async () => {
    const disk = new FailingDisk();
    disk.writesAtMost = 7;
    const log = logIn(newDirectory(), {}, disk);
    await log.start();
    await log.append([loggedMessage('m1'), loggedMessage('m2')]);
    expect(await tagsIn(log)).toEqual(['m1', 'm2']);
  });

  it.each([
    ['ENOSPC', 'write'],
    ['EIO', 'write'],
    ['EIO', 'sync'],
    ['EDQUOT', 'write'],
  ] as const)(
    'after %s at %s rejects the append, takes its bytes back, and refuses everything until it is opened anew',
    async (code, failing) => {
      const directory = newDirectory();
      const disk = new FailingDisk();
      const told: SegmentedLogDiagnostics['broken'][] = [];
      const stop = onSegmentedLogEvent('broken', (event) => told.push(event));
      const log = logIn(directory, {}, disk);
      await log.start();
      await log.append([loggedMessage('kept')]);
      disk.fails = (operation, path) => (operation === failing && isSegment(path) ? diskError(code) : undefined);
      await expect(log.append([loggedMessage('refused')])).rejects.toMatchObject({
        code: 'CB_SEGMENTED_LOG',
        reason: 'not-kept',
        acted: 'no',
        message: expect.stringContaining(code) as string,
      });
      disk.fails = () => undefined;
      // The disk works again; a sync that failed is not asked for a second time.
      const broken = { code: 'CB_SEGMENTED_LOG', reason: 'broken', acted: 'no', retryable: false };
      await expect(log.append([loggedMessage('later')])).rejects.toMatchObject(broken);
      expect(() => log.admit([loggedMessage('later')])).toThrow(expect.objectContaining(broken) as Error);
      expect(log.stats().state).toBe('BROKEN');
      expect(told).toHaveLength(1);
      // What it has is still drained.
      expect(await tagsIn(log)).toEqual(['kept']);
      await log.close();
      stop();
      const again = logIn(directory);
      await again.start();
      expect(await tagsIn(again)).toEqual(['kept']);
      await again.append([loggedMessage('new')]);
      expect(await tagsIn(again)).toEqual(['kept', 'new']);
    },
  );

  it('rejects everything that waited behind the write that failed', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), {}, disk);
    await log.start();
    await log.append([loggedMessage('kept')]);
    const gate = Promise.withResolvers<Error>();
    disk.fails = (operation, path) => (operation === 'sync' && isSegment(path) ? gate.promise : undefined);
    const before = disk.done.write;
    const first = log.append([loggedMessage('m1')]);
    await eventually(() => disk.done.write).toBeGreaterThan(before);
    const others = [log.append([loggedMessage('m2')]), log.append([loggedMessage('m3')])];
    gate.resolve(diskError('EIO'));
    for (const result of await Promise.allSettled([first, ...others]))
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'CB_SEGMENTED_LOG' } });
    expect(await tagsIn(log)).toEqual(['kept']);
  });

  it('says so when the bytes of a refused append could not be taken back', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), {}, disk);
    await log.start();
    await log.append([loggedMessage('kept')]);
    disk.fails = (operation, path) => (['sync', 'truncate'].includes(operation) && isSegment(path) ? diskError('EIO') : undefined);
    await expect(log.append([loggedMessage('m')])).rejects.toMatchObject({ reason: 'not-kept', acted: 'maybe' });
  });

  it('does not wait for a disk that hangs longer than it may, and takes back what comes of it later', async () => {
    const directory = newDirectory();
    const disk = new FailingDisk();
    const before = logIn(directory, {}, disk);
    await before.start();
    await before.append([loggedMessage('kept')]);
    await before.close();
    // Short for this append alone: on a busy machine a healthy one may take longer.
    const log = logIn(directory, { appendTimeoutMs: 30 }, disk);
    await log.start();
    const gate = Promise.withResolvers<undefined>();
    disk.fails = (operation, path) => (operation === 'sync' && isSegment(path) ? gate.promise : undefined);
    await expect(log.append([loggedMessage('late')])).rejects.toMatchObject({ reason: 'not-kept', acted: 'maybe' });
    expect(log.stats().state).toBe('BROKEN');
    const truncated = disk.done.truncate;
    gate.resolve(undefined);
    await eventually(() => disk.done.truncate).toBe(truncated + 1);
    expect(await tagsIn(log)).toEqual(['kept']);
    await log.close();
    const again = logIn(directory);
    await again.start();
    expect(await tagsIn(again)).toEqual(['kept']);
  });

  it('breaks when a sync behind acknowledged appends fails', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), { fsync: { everyMs: 1 } }, disk);
    await log.start();
    disk.fails = (operation, path) => (operation === 'sync' && isSegment(path) ? diskError('EIO') : undefined);
    await log.append([loggedMessage('acknowledged')]);
    await eventually(() => log.stats().state).toBe('BROKEN');
    expect(() => log.admit([loggedMessage('m')])).toThrow('is broken until it is opened anew');
  });

  it('breaks when a new segment cannot be begun', async () => {
    const disk = new FailingDisk();
    const log = logIn(newDirectory(), {}, disk);
    await log.start();
    disk.fails = (operation, path) => (operation === 'open' && isSegment(path) ? diskError('ENOSPC') : undefined);
    await expect(log.append([loggedMessage('m')])).rejects.toMatchObject({ reason: 'not-kept', acted: 'no' });
    expect(log.stats().state).toBe('BROKEN');
  });

  it('refuses before COMMIT when it is full, and takes orders again when it is drained', async () => {
    const log = logIn(newDirectory(), { maxBytes: 64 * 1_024, segmentBytes: 4_096 });
    await log.start();
    const large = (): ReturnType<typeof loggedMessage> => loggedMessage('m', 'k', Buffer.alloc(4_000));
    for (let index = 0; index < 15; index += 1) {
      log.admit([large()]);
      await log.append([large()]);
    }
    await log.append([large()]);
    expect(() => log.admit([large()])).toThrow(
      expect.objectContaining({ code: 'CB_SEGMENTED_LOG', reason: 'full', retryable: true }) as Error,
    );
    // Orders that were admitted before are still taken: they are committed.
    await log.append([large()]);
    const side = await log.openDrainSide();
    for (let number = 1; number <= 17; number += 1) side.progress.confirm(number);
    await side.store();
    await side.release();
    log.admit([large()]);
    expect(log.stats().waiting).toBe(0);
  });

  it('refuses what it could never take, before COMMIT', async () => {
    const log = logIn(newDirectory(), { maxMessageBytes: 1_024 });
    expect(() => log.admit([loggedMessage('m')])).toThrow(ClosedError);
    await log.start();
    expect(() => log.admit([loggedMessage('m', 'k', Buffer.alloc(1_025))])).toThrow(InvalidMessageError);
    expect(() => log.admit(Array.from({ length: 10_001 }, () => loggedMessage('m')))).toThrow('10001 messages of one decision');
    log.admit([loggedMessage('m')]);
    await log.close();
    expect(() => log.admit([loggedMessage('m')])).toThrow(ClosedError);
    await expect(log.append([loggedMessage('m')])).rejects.toBeInstanceOf(ClosedError);
    await expect(log.start()).rejects.toBeInstanceOf(ClosedError);
  });

  it('acknowledges what was on its way when it is closed', async () => {
    const directory = newDirectory();
    const log = logIn(directory);
    await log.start();
    const appends = Promise.all(Array.from({ length: 20 }, (_, index) => log.append([loggedMessage(`m${index}`)])));
    const closed = log.close();
    await appends;
    await closed;
    const again = logIn(directory);
    expect(await tagsIn(again)).toHaveLength(20);
  });

  it('has its directory to itself, under whatever name, until it is closed', async () => {
    const directory = newDirectory();
    const log = logIn(directory);
    await log.start();
    const alias = `${directory}-alias`;
    symlinkSync(directory, alias);
    for (const name of [directory, alias])
      await expect(logIn(name).start()).rejects.toThrow(/is in use by another process or by another log/);
    await log.close();
    const next = logIn(alias);
    await next.start();
    await next.close();
  });

  it('gives the directory back when it cannot be opened, and may be started again', async () => {
    const disk = new FailingDisk();
    const directory = newDirectory();
    const log = logIn(directory, {}, disk);
    disk.fails = (operation, path) => (operation === 'open' && path.endsWith('cursor') ? diskError('EACCES') : undefined);
    await expect(log.start()).rejects.toThrow(`segmented log: ${directory} cannot be used: EACCES`);
    expect(log.stats().state).toBe('NEW');
    disk.fails = () => undefined;
    await log.start();
    await log.close();
    expect(disk.opened).toBe(0);
  });

  it('has one drain at a time', async () => {
    const log = logIn(newDirectory());
    const side = await log.openDrainSide();
    await expect(log.openDrainSide()).rejects.toBeInstanceOf(ConfigurationError);
    await side.release();
    await (await log.openDrainSide()).release();
  });

  it('keeps parked messages with their reasons, sends one again when told to, and keeps the rest', async () => {
    const directory = newDirectory();
    const log = logIn(directory);
    const side = await log.openDrainSide();
    for (const tag of ['m1', 'm2']) await log.append([loggedMessage(tag)]);
    for (const number of [1, 2, 1]) {
      await side.park(number, loggedMessage(`m${number}`), `too large ${number}`);
      side.progress.confirm(number);
    }
    await side.store();
    await side.release();
    await log.close();
    const again = logIn(directory);
    await again.start();
    expect(again.stats()).toMatchObject({ parked: 2, waiting: 0 });
    expect(await again.resend(1)).toBe(true);
    expect(await again.resend(7)).toBe(false);
    const left = [];
    for await (const each of again.parked()) left.push(each);
    expect(left).toMatchObject([{ number: 2, reason: 'too large 2', message: loggedMessage('m2') }]);
    expect(await tagsIn(again)).toEqual(['m1']);
  });

  it('writes a parked message down even after the disk failed at it, and never twice', async () => {
    const disk = new FailingDisk();
    const directory = newDirectory();
    const log = logIn(directory, {}, disk);
    const side = await log.openDrainSide();
    await side.park(1, loggedMessage('m1'), 'one');
    for (const failing of ['write', 'sync'] as const) {
      disk.fails = (operation, path) => (operation === failing && path.includes('parked.log') ? diskError('EIO') : undefined);
      await expect(side.park(2, loggedMessage('m2'), 'two')).rejects.toThrow('EIO');
      disk.fails = () => undefined;
    }
    await side.park(2, loggedMessage('m2'), 'two');
    await side.park(3, loggedMessage('m3'), 'three');
    await side.release();
    await log.close();
    const again = logIn(directory);
    await again.start();
    const numbers: number[] = [];
    for await (const { number } of again.parked()) numbers.push(number);
    expect(numbers).toEqual([1, 2, 3]);
  });

  it('tells appends without their bodies', async () => {
    const log = logIn(newDirectory());
    await log.start();
    const told: unknown[] = [];
    const stop = onSegmentedLogEvent('appended', (event) => told.push(event));
    await log.append([loggedMessage('m', 'k', Buffer.from('secret'))]);
    stop();
    expect(told).toMatchObject([{ directory: log.directory, messages: 1 }]);
    expect(JSON.stringify(told)).not.toContain('secret');
    expect(readFileSync(join(log.directory, segmentNames(log.directory)[0]!)).includes('secret')).toBe(true);
  });

  it.each([
    [{ directory: 'relative/path' }, 'directory must be an absolute path, got "relative/path"'],
    [{ directory: '/d', fsync: 'sometimes' }, 'fsync must be always, never or { everyMs: 1 to 60000 }, got "sometimes"'],
    [{ directory: '/d', fsync: { everyMs: 0 } }, 'fsync must be always'],
    [{ directory: '/d', onAppendFailure: 'ignore' }, 'onAppendFailure must be compensate or report, got "ignore"'],
    [{ directory: '/d', onDamage: 'hope' }, 'onDamage must be refuse or skip, got "hope"'],
    [{ directory: '/d', maxBytes: 1 }, 'maxBytes must be a whole number from 65536'],
    [
      { directory: '/d', maxBytes: 65_536, segmentBytes: 65_536 },
      'segmentBytes must not be above a fourth of maxBytes (65536), it is 65536',
    ],
    [{ directory: '/d', appendTimeoutMs: 0 }, 'appendTimeoutMs must be a whole number from 1'],
  ])('refuses %j', (options, message) => {
    expect(() => segmentedLog(options as never)).toThrow(message);
  });
});
