import { inflateSync, zstdDecompressSync } from 'node:zlib';

/** A message as the broker keeps it. */
export interface StoredMessage {
  readonly topic: string;
  readonly queueOffset: number;
  /** By the clock of its sender. */
  readonly bornAt: Date;
  readonly storedAt: Date;
  /** All of them, those of the broker among them. */
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** `MessageDecoder.MESSAGE_MAGIC_CODE` and its second version, whose topic may be longer. */
const MAGIC_V1 = 0xda_a3_20_a7;
const MAGIC_V2 = 0xda_a3_20_a3;
/** Bits of `MessageSysFlag`. */
const COMPRESSED = 1;
const BORN_HOST_V6 = 1 << 4;
const STORE_HOST_V6 = 1 << 5;
const COMPRESSION_SHIFT = 8;
const COMPRESSION_MASK = 7;

/**
 * Takes apart what a pull brings: messages one after the other. Throws on bytes that are none, rather than making one up.
 * Source: `MessageDecoder.decode` of RocketMQ 5.4.0.
 */
export function decodeStoredMessages(bytes: Buffer): StoredMessage[] {
  const messages: StoredMessage[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.length - at < 4 ? 0 : bytes.readInt32BE(at);
    if (size < 4 || at + size > bytes.length) throw new Error(`a stored message of ${size} bytes where ${bytes.length - at} are left`);
    messages.push(decode(bytes.subarray(at, at + size)));
    at += size;
  }
  return messages;
}

function decode(frame: Buffer): StoredMessage {
  const read = cursor(frame);
  read.int();
  const magic = read.int() >>> 0;
  if (magic !== MAGIC_V1 && magic !== MAGIC_V2)
    throw new Error(`a stored message begins with 0x${magic.toString(16)}, which is no known version`);
  // Checksum, queue, user's flag.
  read.skip(12);
  const queueOffset = read.long();
  read.skip(8);
  const flags = read.int();
  const bornAt = read.long();
  read.skip((flags & BORN_HOST_V6) === 0 ? 8 : 20);
  const storedAt = read.long();
  read.skip((flags & STORE_HOST_V6) === 0 ? 8 : 20);
  // Deliveries, and the offset of the half.
  read.skip(12);
  const body = read.bytes(read.int());
  const topic = read.bytes(magic === MAGIC_V2 ? read.short() : read.byte()).toString();
  const properties = parseProperties(read.bytes(read.short()).toString());
  return { topic, queueOffset, bornAt: new Date(bornAt), storedAt: new Date(storedAt), properties, body: unpacked(body, flags) };
}

/** Reads big-endian numbers one after the other; throws a `RangeError` beyond the end. */
function cursor(frame: Buffer) {
  let at = 0;
  const take = (length: number): number => {
    if (length < 0 || at + length > frame.length) throw new RangeError(`a stored message ends in the middle, at byte ${frame.length}`);
    at += length;
    return at - length;
  };
  return {
    skip: (length: number): void => void take(length),
    byte: (): number => frame.readUInt8(take(1)),
    short: (): number => frame.readUInt16BE(take(2)),
    int: (): number => frame.readInt32BE(take(4)),
    long: (): number => Number(frame.readBigInt64BE(take(8))),
    bytes: (length: number): Buffer => {
      const from = take(length);
      return frame.subarray(from, from + length);
    },
  };
}

/** `name ␁ value ␂`, again and again. */
function parseProperties(text: string): Record<string, string> {
  const pairs = text.split('\u0002').flatMap((entry) => {
    const at = entry.indexOf('\u0001');
    return at < 1 ? [] : [[entry.slice(0, at), entry.slice(at + 1)] as const];
  });
  return Object.fromEntries(pairs);
}

function unpacked(body: Buffer, flags: number): Buffer {
  if ((flags & COMPRESSED) === 0) return body;
  const type = (flags >> COMPRESSION_SHIFT) & COMPRESSION_MASK;
  // 0 is a sender older than the choice.
  if (type === 3 || type === 0) return inflateSync(body);
  if (type === 2) return zstdDecompressSync(body);
  throw new Error(`a stored message is compressed in a way (${type}) that is not read here`);
}
