import { FRAME_HEAD_BYTES, type FrameHead, decodeHead, isPayloadOf, nextMarker, type Seed } from './frame.ts';
import type { FileWindow } from './file-window.ts';

/** Bytes that are no frame although they lie where one was written. */
export interface Damage {
  readonly from: number;
  readonly to: number;
  /** Number of the first record that may have been in them. */
  readonly first: number;
  /** Number of the first record after them; `first` when none is missing. */
  readonly next: number;
}

export interface Scan {
  readonly frames: number;
  readonly records: number;
  /** Where the last whole frame ends. */
  readonly end: number;
  /** Number of the record that comes after the last whole frame. */
  readonly next: number;
  /** Between whole frames. */
  readonly damages: readonly Damage[];
  /** What the last whole frame knew to be acknowledged. */
  readonly acknowledgedTo: number;
}

/** The whole frame that begins at `at`; `undefined` when there is none. Its payload is a view, good until the next read. */
export async function readFrame(
  window: FileWindow,
  at: number,
  size: number,
  seed: Seed,
): Promise<{ head: FrameHead; payload: Buffer; end: number } | undefined> {
  const head = decodeHead(await window.bytes(at, FRAME_HEAD_BYTES, size), seed);
  if (head === undefined) return undefined;
  const end = at + FRAME_HEAD_BYTES + head.payloadBytes;
  if (end > size) return undefined;
  const payload = await window.bytes(at + FRAME_HEAD_BYTES, head.payloadBytes, size);
  return payload.length === head.payloadBytes && isPayloadOf(head, payload, seed) ? { head, payload, end } : undefined;
}

/** Walks through all frames of a file that begins with record `first`, past what is damaged. Memory is bounded by the largest frame. */
export async function scanFrames(window: FileWindow, size: number, seed: Seed, first: number): Promise<Scan> {
  const damages: Damage[] = [];
  let [at, next, frames, records, acknowledgedTo] = [0, first, 0, 0, 0];
  for (;;) {
    let frame = await readFrame(window, at, size, seed);
    if (frame === undefined || frame.head.first !== next) {
      const found = await findFrame(window, at + 1, size, seed, next);
      if (found === undefined) return { frames, records, end: at, next, damages, acknowledgedTo };
      damages.push({ from: at, to: found.at, first: next, next: found.frame.head.first });
      frame = found.frame;
    }
    frames += 1;
    records += frame.head.payloadBytes > 0 ? frame.head.count : 0;
    next = frame.head.first + frame.head.count;
    acknowledgedTo = frame.head.acknowledgedTo;
    at = frame.end;
  }
}

async function findFrame(window: FileWindow, from: number, size: number, seed: Seed, least: number) {
  const STEP = 64 * 1_024;
  for (let at = from; at + FRAME_HEAD_BYTES <= size;) {
    // Two more than a step: a marker may lie across its end.
    const found = nextMarker(await window.bytes(at, STEP + 2, size), 0);
    if (found < 0) {
      at += STEP;
      continue;
    }
    at += found;
    const frame = await readFrame(window, at, size, seed);
    if (frame !== undefined && frame.head.first >= least) return { frame, at };
    at += 1;
  }
  return undefined;
}
