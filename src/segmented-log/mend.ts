import type { ExaminedSegment, Finding } from './examine.ts';
import { type FileSystem, type LogFile, replaceFile, writeFully } from './file-system.ts';
import { encodeFrame } from './frame.ts';

const COPY_BYTES = 256 * 1_024;

/**
 * Leaves a file with whole frames alone. A torn end is cut off. What is damaged before it is put aside, into
 * `<segment>.damaged-<place>`, and a frame without payload takes its place that says how many records were lost. Either
 * is durable, or the file is as it was. Returns the file's size.
 */
export async function mend(fileSystem: FileSystem, directory: string, { segment, size, findings }: ExaminedSegment): Promise<number> {
  const [only] = findings;
  if (only === undefined) return size;
  if (findings.length === 1 && only.meaning === 'torn') {
    const file = await fileSystem.open(segment.path, 'r+');
    try {
      await file.truncate(only.from);
      await file.sync();
    } finally {
      await file.close();
    }
    return only.from;
  }
  let end = 0;
  const file = await fileSystem.open(segment.path, 'r');
  try {
    for (const { from, to, meaning } of findings) {
      if (to > from && meaning !== 'torn')
        await replaceFile(fileSystem, directory, `${segment.path}.damaged-${from}`, (aside) => copy(file, from, to, aside, 0));
    }
    await replaceFile(fileSystem, directory, segment.path, async (draft) => {
      let at = 0;
      for (const finding of [...findings, { from: size, to: size, first: 0, next: 0 }]) {
        await copy(file, at, finding.from, draft, end);
        end += finding.from - at;
        at = finding.to;
        const hole = holeFor(finding, segment.seed);
        await writeFully(draft, hole, end);
        end += hole.length;
      }
    });
  } finally {
    await file.close();
  }
  return end;
}

const holeFor = ({ first, next }: Pick<Finding, 'first' | 'next'>, seed: number): Uint8Array =>
  next > first ? encodeFrame({ first, count: next - first, acknowledgedTo: first }, new Uint8Array(), seed) : new Uint8Array();

async function copy(from: LogFile, start: number, end: number, to: LogFile, position: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(COPY_BYTES, Math.max(0, end - start)));
  for (let at = start; at < end;) {
    const got = await from.read(chunk.subarray(0, Math.min(chunk.length, end - at)), at);
    if (got === 0) throw new Error(`the file ended at ${at} of ${end} bytes while it was read`);
    await writeFully(to, chunk.subarray(0, got), position + at - start);
    at += got;
  }
}
