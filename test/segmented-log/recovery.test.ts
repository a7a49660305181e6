import { appendFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { onSegmentedLogEvent } from '../../src/segmented-log/diagnostics.ts';
import { encodeFrame } from '../../src/segmented-log/frame.ts';
import { encodeMessage } from '../../src/segmented-log/message-payload.ts';
import { nodeFileSystem } from '../../src/segmented-log/file-system.ts';
import { recover } from '../../src/segmented-log/recover.ts';
import { LogReader } from '../../src/segmented-log/log-reader.ts';
import { newSegment } from '../../src/segmented-log/segment.ts';
import { showSegmentedLog } from '../../src/segmented-log/show-segmented-log.ts';
import { diskError, FailingDisk } from './support/failing-disk.ts';
import { loggedMessage, logIn, newDirectory, segmentNames, tagsIn } from './support/directories.ts';

/** Tags a recovered directory still has, in order. */
async function recoveredTags(directory: string, onDamage: 'refuse' | 'skip' = 'refuse'): Promise<string[]> {
  const { segments, progress } = await recover(nodeFileSystem, directory, onDamage);
  const reader = new LogReader(nodeFileSystem, segments, progress.next);
  const tags: string[] = [];
  for (let read = await reader.read(); read !== undefined; read = await reader.read()) tags.push(...read.messages.map(({ tag }) => tag));
  await reader.close();
  return tags;
}

/** One segment, written by hand: each group of tags was one write. Returns its path and where each frame ends. */
async function writeSegment(
  directory: string,
  groups: readonly (readonly string[])[],
  first = 1,
): Promise<{ path: string; ends: number[] }> {
  await nodeFileSystem.makeDirectory(directory);
  const segment = newSegment(directory, first);
  const ends: number[] = [];
  let [next, end] = [first, 0];
  const parts: Buffer[] = [];
  for (const group of groups) {
    const acknowledgedTo = next;
    for (const tag of group) {
      const frame = encodeFrame({ first: next, count: 1, acknowledgedTo }, encodeMessage(loggedMessage(tag)), segment.seed);
      parts.push(frame);
      next += 1;
      end += frame.length;
      ends.push(end);
    }
  }
  writeFileSync(segment.path, Buffer.concat(parts));
  return { path: segment.path, ends };
}

const tags = (count: number): string[] => Array.from({ length: count }, (_, index) => `m${index + 1}`);
const turnBit = (path: string, bit: number): void => {
  const bytes = readFileSync(path);
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  writeFileSync(path, bytes);
};

describe('Recovery', () => {
  it('keeps every whole record of a file that ends at any byte, and cuts the rest off', async () => {
    const directory = newDirectory();
    const { path, ends } = await writeSegment(
      directory,
      tags(4).map((tag) => [tag]),
    );
    const bytes = readFileSync(path);
    for (let length = 0; length <= bytes.length; length += 1) {
      writeFileSync(path, bytes.subarray(0, length));
      const whole = ends.filter((end) => end <= length).length;
      expect(await recoveredTags(directory), `length ${length}`).toEqual(tags(whole));
      // A file without a record goes.
      expect(existsSync(path) ? readFileSync(path).length : 0).toBe(ends[whole - 1] ?? 0);
    }
  });

  it('cuts off whatever a crash left behind the last record: zeros, noise, records of another segment', async () => {
    const stale = encodeFrame({ first: 4, count: 1, acknowledgedTo: 4 }, encodeMessage(loggedMessage('stale')), 12_345);
    const garbage = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.nat({ max: 5_000 }).map((length) => new Uint8Array(length + 1)),
      fc.constant(stale),
      fc.uint8Array({ maxLength: 40 }).map((noise) => Buffer.concat([Buffer.from('CBL\u0001'), noise])),
    );
    const directory = newDirectory();
    const { path } = await writeSegment(directory, [tags(3)]);
    const whole = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(garbage, async (bytes) => {
        writeFileSync(path, whole);
        appendFileSync(path, bytes);
        expect(await recoveredTags(directory)).toEqual(tags(3));
        expect(readFileSync(path)).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  it('never takes a damaged record for a whole one, whichever bit is turned, and says which are lost', async () => {
    const directory = newDirectory();
    const { path, ends } = await writeSegment(
      directory,
      tags(5).map((tag) => [tag]),
    );
    const whole = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: whole.length * 8 - 1 }), async (bit) => {
        writeFileSync(path, whole);
        turnBit(path, bit);
        const hit = ends.findIndex((end) => bit >> 3 < end);
        const damaged = readFileSync(path);
        const outcome = await recoveredTags(directory).catch((error: Error) => /where records (\d+) to/.exec(error.message)?.[1]);
        // The last one alone cannot be told from a write that a crash has torn.
        expect(outcome).toEqual(hit === 4 ? tags(4) : String(hit + 1));
        // Refused means untouched.
        expect(readFileSync(path)).toEqual(hit === 4 ? damaged.subarray(0, ends[3]) : damaged);
      }),
      { numRuns: 80 },
    );
  });

  it('refuses acknowledged records that cannot be read, skips them when told to, and keeps their bytes', async () => {
    const directory = newDirectory();
    const { path, ends } = await writeSegment(
      directory,
      tags(5).map((tag) => [tag]),
    );
    turnBit(path, (ends[1]! + 20) * 8);
    const damaged = readFileSync(path).subarray(ends[1], ends[2]);
    await expect(recoveredTags(directory)).rejects.toBeInstanceOf(ConfigurationError);
    expect((await showSegmentedLog(nodeFileSystem, directory, 10)).isSound).toBe(false);

    const told: unknown[] = [];
    const stop = onSegmentedLogEvent('damaged', (event) => told.push(event));
    expect(await recoveredTags(directory, 'skip')).toEqual(['m1', 'm2', 'm4', 'm5']);
    stop();
    expect(told).toMatchObject([{ from: ends[1], bytes: ends[2]! - ends[1]!, lost: 1 }]);
    expect(readFileSync(`${path}.damaged-${ends[1]}`)).toEqual(damaged);
    // From then on it opens as it is.
    expect(await recoveredTags(directory)).toEqual(['m1', 'm2', 'm4', 'm5']);
    expect((await showSegmentedLog(nodeFileSystem, directory, 10)).isSound).toBe(true);
  });

  it('leaves a directory that can be mended, wherever mending was interrupted', async () => {
    const directory = newDirectory();
    const { path, ends } = await writeSegment(
      directory,
      tags(5).map((tag) => [tag]),
    );
    turnBit(path, (ends[1]! + 20) * 8);
    const damaged = readFileSync(path);
    let operations = 0;
    for (let failing = 1, isThrough = false; !isThrough; failing += 1) {
      writeFileSync(path, damaged);
      const disk = new FailingDisk();
      operations = 0;
      disk.fails = () => {
        operations += 1;
        return operations === failing ? diskError('EIO') : undefined;
      };
      isThrough = await recover(disk, directory, 'skip').then(
        () => operations < failing,
        () => false,
      );
      expect(disk.opened, `operation ${failing}`).toBe(0);
      expect(await recoveredTags(directory, 'skip'), `operation ${failing}`).toEqual(['m1', 'm2', 'm4', 'm5']);
    }
    expect(operations).toBeGreaterThan(10);
  });

  it('does not refuse the middle of a write nobody was told of: what is whole behind it stays', async () => {
    const directory = newDirectory();
    const { path, ends } = await writeSegment(directory, [['m1'], ['m2', 'm3', 'm4']]);
    turnBit(path, (ends[1]! + 20) * 8);
    expect(await recoveredTags(directory)).toEqual(['m1', 'm2', 'm4']);
  });

  it('refuses a segment that is missing, at the front or between others', async () => {
    const directory = newDirectory();
    const log = logIn(directory, { segmentBytes: 1_024 });
    await log.start();
    for (const tag of tags(40)) await log.append([loggedMessage(tag)]);
    await log.close();
    const names = segmentNames(directory);
    expect(names.length).toBeGreaterThan(2);
    const [front, middle] = [join(directory, names[0]!), join(directory, names[1]!)];
    const [frontBytes, middleBytes] = [readFileSync(front), readFileSync(middle)];
    await nodeFileSystem.remove(middle);
    await expect(recoveredTags(directory)).rejects.toThrow('is damaged from byte');
    writeFileSync(middle, middleBytes);
    await nodeFileSystem.remove(front);
    await expect(recoveredTags(directory)).rejects.toThrow('is missing in');
    const left = await recoveredTags(directory, 'skip');
    expect(left.at(-1)).toBe('m40');
    writeFileSync(front, frontBytes);
  });

  it('refuses a full segment whose end is missing, which no crash leaves behind', async () => {
    const directory = newDirectory();
    const log = logIn(directory, { segmentBytes: 1_024 });
    await log.start();
    for (const tag of tags(40)) await log.append([loggedMessage(tag)]);
    await log.close();
    const path = join(directory, segmentNames(directory)[0]!);
    truncateSync(path, readFileSync(path).length - 1);
    await expect(logIn(directory).start()).rejects.toThrow('is damaged from byte');
    const skipping = logIn(directory, { onDamage: 'skip' });
    await skipping.start();
    const left = await tagsIn(skipping);
    expect(left).toHaveLength(39);
    expect(left.at(-1)).toBe('m40');
  });

  it('starts from the first record when the cursor is gone or unreadable, and from the older slot when one is torn', async () => {
    const directory = newDirectory();
    const log = logIn(directory);
    await log.start();
    for (const tag of tags(3)) await log.append([loggedMessage(tag)]);
    const side = await log.openDrainSide();
    side.progress.confirm(1);
    await side.store();
    side.progress.confirm(2);
    await side.store();
    await side.release();
    await log.close();
    expect(await recoveredTags(directory)).toEqual(['m3']);
    const cursor = join(directory, 'cursor');
    const bytes = readFileSync(cursor);
    // Three generations were stored: the third lies in the second slot.
    bytes[12_288 + 9]! ^= 1;
    writeFileSync(cursor, bytes);
    expect(await recoveredTags(directory)).toEqual(['m2', 'm3']);
    writeFileSync(cursor, 'nothing that can be read');
    expect(await recoveredTags(directory)).toEqual(['m1', 'm2', 'm3']);
  });

  it('deletes drained segments it finds, and half-written replacements', async () => {
    const directory = newDirectory();
    const log = logIn(directory, { segmentBytes: 1_024 });
    await log.start();
    for (const tag of tags(40)) await log.append([loggedMessage(tag)]);
    const side = await log.openDrainSide();
    for (let number = 1; number <= 39; number += 1) side.progress.confirm(number);
    await side.release();
    const { CursorFile } = await import('../../src/segmented-log/cursor-file.ts');
    const cursor = await CursorFile.open(nodeFileSystem, directory, 1);
    await cursor.store(side.progress);
    await cursor.close();
    await log.close();
    writeFileSync(join(directory, 'parked.log.new'), 'half');
    expect(await recoveredTags(directory)).toEqual(['m40']);
    expect(segmentNames(directory)).toHaveLength(1);
    expect(readdirSync(directory)).not.toContain('parked.log.new');
  });
});
