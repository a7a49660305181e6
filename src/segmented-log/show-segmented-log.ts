import { examine, type Finding } from './examine.ts';
import type { FileSystem } from './file-system.ts';
import { type ParkedInLog, readParked } from './parked-file.ts';

/** What is in a directory, as somebody sees who only looks. */
export interface ShownSegmentedLog {
  readonly directory: string;
  /** Number of the first message that is neither sent nor parked; `undefined` when nothing says so. */
  readonly drainedTo: number | undefined;
  readonly segments: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly messages: number;
    readonly findings: readonly Finding[];
  }[];
  /** Appended, and neither sent nor parked. */
  readonly waiting: number;
  readonly missingAtFront: number;
  readonly parked: readonly ParkedInLog[];
  /** Whether a log would open it as it is. */
  readonly isSound: boolean;
}

/** Reads a directory and changes nothing. While a process appends to it, the end of the last segment may look torn. */
export async function showSegmentedLog(fileSystem: FileSystem, directory: string, parkedLimit: number): Promise<ShownSegmentedLog> {
  const { progress, segments, missingAtFront, parked: parkedFile } = await examine(fileSystem, directory);
  const parked: ParkedInLog[] = [];
  for await (const each of readParked(fileSystem, directory)) {
    if (parked.length >= parkedLimit) break;
    parked.push(each);
  }
  const end = Math.max(0, ...segments.map(({ scan }) => scan?.next ?? 0));
  const start = progress?.next ?? segments[0]?.segment.first ?? end;
  const findings = [...segments, ...(parkedFile === undefined ? [] : [parkedFile])].flatMap((each) => each.findings);
  return {
    directory,
    drainedTo: progress?.next,
    segments: segments.map(({ segment, size, scan, findings }) => ({
      name: segment.name,
      bytes: size,
      messages: scan?.records ?? 0,
      findings,
    })),
    waiting: Math.max(0, end - start - (progress?.beyond ?? 0)),
    missingAtFront,
    parked,
    isSound: missingAtFront === 0 && findings.every(({ meaning }) => meaning !== 'lost'),
  };
}
