import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CursorFile, readCursor } from '../../src/segmented-log/cursor-file.ts';
import { nodeFileSystem } from '../../src/segmented-log/file-system.ts';
import { Progress, PROGRESS_SPAN } from '../../src/segmented-log/progress.ts';
import { newDirectory } from './support/directories.ts';

const numbers = Array.from({ length: 60 }, (_, index) => index + 1);

describe('Progress', () => {
  it('knows what is done, in whatever order it was confirmed, and its bitmap says the same', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(numbers), (confirmed) => {
        const progress = new Progress(1);
        for (const number of confirmed) progress.confirm(number);
        const same = Progress.from(progress.next, progress.bitmap());
        for (const each of [progress, same]) {
          expect(numbers.filter((number) => each.has(number)).sort()).toEqual([...confirmed].sort());
          expect(each.has(each.next)).toBe(false);
          expect(each.next + each.beyond).toBe(confirmed.length + 1);
        }
      }),
    );
  });

  it('passes over what will never be done', () => {
    const progress = new Progress(1, [3, 8]);
    progress.jump(5);
    expect([progress.next, progress.beyond]).toEqual([5, 1]);
    progress.jump(8);
    expect([progress.next, progress.beyond]).toEqual([9, 0]);
    progress.jump(2);
    expect(progress.next).toBe(9);
  });
});

describe('The cursor', () => {
  it('is read as it was stored, as far apart as records may be done', async () => {
    const directory = newDirectory();
    await nodeFileSystem.makeDirectory(directory);
    expect(await readCursor(nodeFileSystem, directory)).toBeUndefined();
    const cursor = await CursorFile.open(nodeFileSystem, directory, 5);
    expect((await readCursor(nodeFileSystem, directory))?.next).toBe(5);
    for (const done of [[6], [6, 9], [7, 5 + PROGRESS_SPAN + 10_000]]) {
      await cursor.store(new Progress(5, done));
      const read = await readCursor(nodeFileSystem, directory);
      expect([read?.next, read?.beyond, done.every((number) => read?.has(number))]).toEqual([5, done.length, true]);
    }
    await cursor.close();
  });
});
