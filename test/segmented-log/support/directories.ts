import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { nodeFileSystem } from '../../../src/segmented-log/file-system.ts';
import { segmentedLogOn } from '../../../src/segmented-log/segmented-log.ts';
import type { SegmentedLog } from '../../../src/segmented-log/segmented-log.ts';
export { loggedMessageOf as loggedMessage } from './logged-message.ts';
import type { SegmentedLogOptions } from '../../../src/segmented-log/segmented-log-options.ts';

const made: string[] = [];
const opened: SegmentedLog[] = [];

afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A directory of its own for a test; gone with it. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'checkback-log-'));
  made.push(directory);
  return join(directory, 'log');
}

/** A log that is closed with the test. */
export function logIn(directory: string, options: Partial<SegmentedLogOptions> = {}, fileSystem = nodeFileSystem): SegmentedLog {
  const log = segmentedLogOn(fileSystem, { directory, ...options });
  opened.push(log);
  return log;
}

export const segmentNames = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => /^\d{16}-[0-9a-f]{8}\.log$/.test(name))
    .sort();

/** Tags of everything a drain would be given now, in its order. */
export async function tagsIn(log: SegmentedLog): Promise<string[]> {
  const side = await log.openDrainSide();
  try {
    const tags: string[] = [];
    for (let read = await side.read(); read !== undefined; read = await side.read()) {
      for (const [index, { tag }] of read.messages.entries()) if (!side.progress.has(read.first + index)) tags.push(tag);
    }
    return tags;
  } finally {
    await side.release();
  }
}

/** For conditions that come true when they do: a busy disk takes its time. */
// oxlint-disable-next-line vitest/require-awaited-expect-poll -- whoever calls it awaits it
export const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: 40_000, interval: 5 });
