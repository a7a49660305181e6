import { crc32 } from 'node:zlib';
import { ConfigurationError } from '../errors.ts';

/**
 * marker `CBL` and version (4) · CRC-32 of the head (4) · payload bytes (4) · count of records (4) · number of the first (8) ·
 * acknowledged up to (8) · CRC-32 of the payload (4); then the payload. The head has a sum of its own, so that a length
 * is never believed that was not written.
 */
export const FRAME_HEAD_BYTES = 36;
const VERSION = 1;
const MARKER = Buffer.from('CBL');

/** Frames of a segment carry its seed in their sums: what an older file left on the disk, or a message holds, is no frame. */
export type Seed = number;

export interface FrameHead {
  /** Number of its first record. */
  readonly first: number;
  /** A frame without payload stands for that many records that were lost. */
  readonly count: number;
  /** Every record below had been acknowledged to whoever appended it when this frame was written: if it is damaged, something was lost. */
  readonly acknowledgedTo: number;
  readonly payloadBytes: number;
  readonly payloadSum: number;
}

/** One append: all of its records, or none. */
export function encodeFrame(
  { first, count, acknowledgedTo }: Pick<FrameHead, 'first' | 'count' | 'acknowledgedTo'>,
  payload: Uint8Array,
  seed: Seed,
): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payload.length);
  MARKER.copy(frame);
  frame[3] = VERSION;
  frame.writeUInt32LE(payload.length, 8);
  frame.writeUInt32LE(count, 12);
  frame.writeBigUInt64LE(BigInt(first), 16);
  frame.writeBigUInt64LE(BigInt(acknowledgedTo), 24);
  frame.writeUInt32LE(crc32(payload, seed), 32);
  frame.writeUInt32LE(headSum(frame, seed), 4);
  frame.set(payload, FRAME_HEAD_BYTES);
  return frame;
}

/** What `bytes` say when they are the head of a frame. Throws `ConfigurationError` for one of a version that is not known here. */
export function decodeHead(bytes: Buffer, seed: Seed): FrameHead | undefined {
  if (bytes.length < FRAME_HEAD_BYTES || !bytes.subarray(0, 3).equals(MARKER)) return undefined;
  if (bytes.readUInt32LE(4) !== headSum(bytes, seed)) return undefined;
  if (bytes[3] !== VERSION)
    throw new ConfigurationError(
      `segmented log: records of version ${bytes[3]} were written by a newer release; this one reads ${VERSION}`,
    );
  return {
    payloadBytes: bytes.readUInt32LE(8),
    count: bytes.readUInt32LE(12),
    first: Number(bytes.readBigUInt64LE(16)),
    acknowledgedTo: Number(bytes.readBigUInt64LE(24)),
    payloadSum: bytes.readUInt32LE(32),
  };
}

export const isPayloadOf = ({ payloadSum }: FrameHead, payload: Uint8Array, seed: Seed): boolean => crc32(payload, seed) === payloadSum;

/** Where in `bytes` a frame may begin, from `at` on; -1 when nowhere. */
export const nextMarker = (bytes: Buffer, at: number): number => bytes.indexOf(MARKER, at);

const headSum = (frame: Buffer, seed: Seed): number => crc32(frame.subarray(8, FRAME_HEAD_BYTES), crc32(frame.subarray(0, 4), seed));
