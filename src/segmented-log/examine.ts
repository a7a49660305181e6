import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import { readCursor } from './cursor-file.ts';
import { FileWindow } from './file-window.ts';
import type { FileSystem } from './file-system.ts';
import type { Progress } from './progress.ts';
import { type Damage, type Scan, scanFrames } from './scan-frames.ts';
import { type Segment, segmentsAmong } from './segment.ts';

/**
 * What bytes that are no record mean. `torn`: the end of the last file, as a kill or a power cut leaves it. `unconfirmed`:
 * nothing behind them proves that anybody was told they were kept. `drained`: what they held was sent before. `lost`:
 * records were acknowledged, and are gone.
 */
export type Meaning = 'torn' | 'unconfirmed' | 'drained' | 'lost';

export interface Finding extends Damage {
  readonly meaning: Meaning;
}

export interface ExaminedSegment {
  readonly segment: Segment;
  readonly size: number;
  /** `undefined`: everything in it was sent before, nobody looked. */
  readonly scan: Scan | undefined;
  readonly findings: readonly Finding[];
}

export interface Examination {
  /** `undefined`: nothing says how far it was drained. */
  readonly progress: Progress | undefined;
  readonly segments: readonly ExaminedSegment[];
  /** Records between the cursor and the first segment. */
  readonly missingAtFront: number;
  readonly parked: ExaminedSegment | undefined;
}

/** Where refused messages are kept: frames like those of a segment, numbered from 1, one message each. */
export const parkedSegment = (directory: string): Segment => ({
  name: 'parked.log',
  path: join(directory, 'parked.log'),
  seed: 0x70_61_72_6b,
  first: 1,
  next: 1,
  bytes: 0,
});

/** Reads a whole directory and says what is wrong with it; changes nothing. Memory is bounded by the largest frame. */
export async function examine(fileSystem: FileSystem, directory: string): Promise<Examination> {
  const names = await fileSystem.list(directory);
  const progress = await readCursor(fileSystem, directory);
  const drainedTo = progress?.next ?? 0;
  const found = segmentsAmong(directory, names);
  const segments: ExaminedSegment[] = [];
  for (const [index, segment] of found.entries()) {
    const following = found[index + 1];
    if (following !== undefined && following.first <= drainedTo) segments.push({ segment, size: 0, scan: undefined, findings: [] });
    else segments.push(await examineFile(fileSystem, segment, following?.first, drainedTo));
  }
  const first = found[0]?.first ?? 0;
  return {
    progress,
    segments,
    missingAtFront: progress !== undefined && first > drainedTo ? first - drainedTo : 0,
    parked: names.includes('parked.log') ? await examineFile(fileSystem, parkedSegment(directory), undefined, 0) : undefined,
  };
}

/** `endsAt`: the number the next segment begins with; nothing when this is the last one. */
async function examineFile(
  fileSystem: FileSystem,
  segment: Segment,
  endsAt: number | undefined,
  drainedTo: number,
): Promise<ExaminedSegment> {
  const file = await fileSystem.open(segment.path, 'r');
  try {
    const size = await file.size();
    const scan = await scanFrames(new FileWindow(file), size, segment.seed, segment.first);
    const meaningOf = ({ first, next }: Damage): Meaning => {
      if (next <= drainedTo) return 'drained';
      return endsAt === undefined && scan.acknowledgedTo <= first ? 'unconfirmed' : 'lost';
    };
    const findings: Finding[] = scan.damages.map((damage) => ({ ...damage, meaning: meaningOf(damage) }));
    const { end: from, next: first } = scan;
    if (endsAt !== undefined && first > endsAt)
      throw new ConfigurationError(
        `segmented log: ${segment.path} has records up to ${first - 1}, and the next segment begins with ${endsAt}`,
      );
    if (from < size || (endsAt !== undefined && first < endsAt)) {
      const tail = { from, to: size, first, next: endsAt ?? first };
      findings.push({ ...tail, meaning: endsAt === undefined ? 'torn' : first === endsAt ? 'drained' : meaningOf(tail) });
    }
    return { segment, size, scan, findings };
  } finally {
    await file.close();
  }
}
