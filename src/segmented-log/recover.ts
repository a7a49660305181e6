import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import { emitSegmentedLogEvent } from './diagnostics.ts';
import { type ExaminedSegment, examine, type Examination, type Finding } from './examine.ts';
import type { FileSystem } from './file-system.ts';
import { mend } from './mend.ts';
import { Progress } from './progress.ts';
import type { Segment } from './segment.ts';

export interface Recovered {
  /** In order, every one with whole frames alone; none is appended to again. */
  readonly segments: Segment[];
  /** Number of the next record. */
  readonly next: number;
  readonly progress: Progress;
}

/**
 * Brings a directory to where whole records end. What a crash tears is cut off or put aside; what was acknowledged and
 * cannot be read is refused with `ConfigurationError`, or skipped when told so. Doing it again changes nothing.
 */
export async function recover(fileSystem: FileSystem, directory: string, onDamage: 'refuse' | 'skip'): Promise<Recovered> {
  const examination = await examine(fileSystem, directory);
  if (onDamage === 'refuse') refuseLosses(directory, examination);
  // What a crash left half written, under no name that counts.
  for (const name of await fileSystem.list(directory)) if (name.endsWith('.new')) await fileSystem.remove(join(directory, name));
  const { parked, missingAtFront } = examination;
  if (missingAtFront > 0) tell(directory, 'cursor', { from: 0, to: 0, lost: missingAtFront });
  const segments: Segment[] = [];
  for (const examined of examination.segments) {
    const { segment, scan, size } = examined;
    if (scan === undefined || (scan.frames === 0 && size === 0)) {
      await fileSystem.remove(segment.path);
      continue;
    }
    segment.bytes = await mendAndTell(fileSystem, directory, examined);
    segment.next = Math.max(scan.next, ...examined.findings.map(({ next }) => next));
    // A file without a record would take the name of the one that is begun next.
    if (segment.bytes === 0) await fileSystem.remove(segment.path);
    else segments.push(segment);
  }
  if (parked !== undefined) await mendAndTell(fileSystem, directory, parked);
  await fileSystem.syncDirectory(directory);
  const drainedTo = examination.progress?.next ?? 0;
  const next = Math.max(1, drainedTo, segments.at(-1)?.next ?? 0);
  const progress = examination.progress ?? new Progress(segments[0]?.first ?? next);
  if (segments[0] !== undefined) progress.jump(segments[0].first);
  return { segments, next, progress };
}

function refuseLosses(directory: string, { segments, parked, missingAtFront, progress }: Examination): void {
  const choice = `To go on behind it, start once with onDamage: 'skip': what is damaged is kept beside it, and reconciliation finds the rows of the messages.`;
  if (missingAtFront > 0)
    throw new ConfigurationError(
      `segmented log: the segment with the records from ${progress?.next} on is missing in ${directory}, ${missingAtFront} records in all. ${choice}`,
    );
  for (const { segment, findings } of [...segments, ...(parked === undefined ? [] : [parked])]) {
    const lost = findings.find(({ meaning }) => meaning === 'lost');
    if (lost === undefined) continue;
    const { from, to, first, next } = lost;
    const records = next > first ? `, where records ${first} to ${next - 1} were` : '';
    throw new ConfigurationError(`segmented log: ${segment.path} is damaged from byte ${from} to byte ${to}${records}. ${choice}`);
  }
}

async function mendAndTell(fileSystem: FileSystem, directory: string, examined: ExaminedSegment): Promise<number> {
  const size = await mend(fileSystem, directory, examined);
  for (const finding of examined.findings) tell(directory, examined.segment.name, { ...finding, lost: lostBy(finding) });
  return size;
}

const lostBy = ({ meaning, first, next }: Finding): number => (meaning === 'lost' ? next - first : 0);

const tell = (directory: string, file: string, { from, to, lost }: { from: number; to: number; lost: number }): void =>
  emitSegmentedLogEvent('damaged', { directory, file, from, bytes: to - from, lost });
