import { deflateSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parkedHalf } from '../../../src/cli/parked-halves.ts';
import { decodeStoredMessages } from '../../../src/cli/stack/stored-message.ts';

interface Frame {
  readonly body?: Buffer;
  readonly topic?: string;
  readonly properties?: Readonly<Record<string, string>>;
  readonly flags?: number;
  readonly version?: 1 | 2;
  readonly offset?: number;
}

/** As `MessageExtEncoder` of the broker writes it. */
function frame({ body = Buffer.from('{}'), topic = 'T', properties = {}, flags = 0, version = 1, offset = 7 }: Frame = {}): Buffer {
  const number = (bytes: 1 | 2 | 4, value: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntBE(value, 0, bytes);
    return buffer;
  };
  const long = (value: number): Buffer => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64BE(BigInt(value));
    return buffer;
  };
  const host = (isV6: boolean): Buffer => Buffer.alloc(isV6 ? 20 : 8);
  const listed = Buffer.from(
    Object.entries(properties)
      .map(([name, value]) => `${name}\u0001${value}\u0002`)
      .join(''),
  );
  const rest = Buffer.concat([
    number(4, version === 1 ? 0xdaa320a7 : 0xdaa320a3),
    Buffer.alloc(12),
    long(offset),
    Buffer.alloc(8),
    number(4, flags),
    long(1_700_000_000_000),
    host((flags & 16) !== 0),
    long(1_700_000_060_000),
    host((flags & 32) !== 0),
    Buffer.alloc(12),
    number(4, body.length),
    body,
    number(version === 1 ? 1 : 2, Buffer.byteLength(topic)),
    Buffer.from(topic),
    number(2, listed.length),
    listed,
  ]);
  return Buffer.concat([number(4, rest.length + 4), rest]);
}

describe('A stored message', () => {
  it('is read with its topic, times, properties and body, one after the other', () => {
    const properties = { KEYS: 'a b', note: 'ü' };
    expect(decodeStoredMessages(Buffer.concat([frame({ properties }), frame({ topic: 'U', offset: 8 })]))).toEqual([
      {
        topic: 'T',
        queueOffset: 7,
        bornAt: new Date(1_700_000_000_000),
        storedAt: new Date(1_700_000_060_000),
        properties,
        body: Buffer.from('{}'),
      },
      expect.objectContaining({ topic: 'U', queueOffset: 8, properties: {} }),
    ]);
  });

  it('may have addresses of 16 bytes, a long topic and a packed body', () => {
    const topic = 'x'.repeat(300);
    const body = Buffer.from('packed');
    expect(decodeStoredMessages(frame({ topic, version: 2, flags: 48 }))).toMatchObject([{ topic }]);
    expect(decodeStoredMessages(frame({ flags: 1 | (3 << 8), body: deflateSync(body) }))).toMatchObject([{ body }]);
    expect(decodeStoredMessages(frame({ flags: 1, body: deflateSync(body) }))).toMatchObject([{ body }]);
    expect(decodeStoredMessages(frame({ flags: 1 | (2 << 8), body: zstdCompressSync(body) }))).toMatchObject([{ body }]);
    expect(() => decodeStoredMessages(frame({ flags: 1 | (1 << 8) }))).toThrow(/compressed in a way \(1\)/);
  });

  it('is refused when it is cut short, and when it is none', () => {
    const whole = frame({ properties: { a: 'b' } });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: whole.length - 1 }), (length) => {
        const cut = Buffer.from(whole.subarray(0, length));
        if (length >= 4) cut.writeInt32BE(length, 0);
        expect(() => decodeStoredMessages(cut)).toThrow(/stored message/);
      }),
    );
    const wrong = frame();
    wrong.writeUInt32BE(1, 4);
    expect(() => decodeStoredMessages(wrong)).toThrow(/0x1, which is no known version/);
    expect(decodeStoredMessages(Buffer.alloc(0))).toEqual([]);
  });
});

describe('A parked half', () => {
  const [stored] = decodeStoredMessages(
    frame({
      topic: 'TRANS_CHECK_MAX_TIME_TOPIC',
      properties: {
        REAL_TOPIC: 'orders',
        UNIQ_KEY: 'id',
        TAGS: 't',
        KEYS: 'k1 k2',
        TRANSACTION_CHECK_TIMES: '15',
        TRAN_MSG: 'true',
        '__RMQ.TRANSIENT.x': 'y',
        'checkback-tx': 'tx',
        note: 'mine',
      },
    }),
  );

  it('is as it was sent, without what the broker put on it', () => {
    expect(parkedHalf(stored!)).toEqual({
      topic: 'orders',
      tag: 't',
      keys: ['k1', 'k2'],
      properties: { 'checkback-tx': 'tx', note: 'mine' },
      body: Buffer.from('{}'),
      messageId: 'id',
      bornAt: stored!.bornAt,
      parkedAt: stored!.storedAt,
    });
  });

  it('that does not say which topic it was for is refused', () => {
    expect(() => parkedHalf({ ...stored!, properties: { UNIQ_KEY: 'id' } })).toThrow(/offset 7 does not say which topic/);
  });
});
