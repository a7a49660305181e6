import { crc32 } from 'node:zlib';
import type { JournalRecord } from './journal-record.ts';

export const JOURNAL_MAGIC = Buffer.from('checkback embedded broker journal 1\n');

/** Length of what follows the frame's head, its CRC-32, length of the JSON part. */
const HEAD_BYTES = 12;

/** One record: head, the record as JSON, the message's body as it is. */
export function encodeRecord(record: JournalRecord): Buffer {
  const body = 'message' in record ? record.message.body : undefined;
  const json = Buffer.from(JSON.stringify('message' in record ? { ...record, message: { ...record.message, body: undefined } } : record));
  const frame = Buffer.allocUnsafe(HEAD_BYTES + json.length + (body?.length ?? 0));
  json.copy(frame, HEAD_BYTES);
  if (body !== undefined) frame.set(body, HEAD_BYTES + json.length);
  frame.writeUInt32LE(frame.length - HEAD_BYTES, 0);
  frame.writeUInt32LE(json.length, 8);
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4);
  return frame;
}

/** The records at the beginning of `bytes` that are whole; `end` is where the first torn one starts. */
export function decodeRecords(bytes: Buffer): { records: JournalRecord[]; end: number } {
  const records: JournalRecord[] = [];
  let at = JOURNAL_MAGIC.length;
  while (at + HEAD_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const end = at + HEAD_BYTES + length;
    if (end > bytes.length || crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) break;
    const bodyAt = at + HEAD_BYTES + bytes.readUInt32LE(at + 8);
    const record = JSON.parse(bytes.toString('utf8', at + HEAD_BYTES, bodyAt)) as JournalRecord;
    // A copy: a view would keep the whole file in memory.
    if ('message' in record) Object.assign(record.message, { body: Buffer.from(bytes.subarray(bodyAt, end)) });
    records.push(record);
    at = end;
  }
  return { records, end: at };
}
