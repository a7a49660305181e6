import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeHead, encodeFrame, FRAME_HEAD_BYTES, isPayloadOf } from '../../src/segmented-log/frame.ts';
import { decodeMessages, encodeMessage } from '../../src/segmented-log/message-payload.ts';

const seeds = fc.nat({ max: 0xffff_ffff });
const heads = fc.record({ first: fc.nat(), count: fc.integer({ min: 1, max: 1_000 }), acknowledgedTo: fc.nat() });

const whole = (frame: Buffer, seed: number): boolean => {
  const head = decodeHead(frame, seed);
  return (
    head !== undefined && frame.length === FRAME_HEAD_BYTES + head.payloadBytes && isPayloadOf(head, frame.subarray(FRAME_HEAD_BYTES), seed)
  );
};

describe('A frame', () => {
  it('says what was put into it', () => {
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 300 }), seeds, (head, payload, seed) => {
        const frame = encodeFrame(head, payload, seed);
        expect(decodeHead(frame, seed)).toMatchObject({ ...head, payloadBytes: payload.length });
        expect(whole(frame, seed)).toBe(true);
      }),
    );
  });

  it('is none with any bit of it turned, at any place', () => {
    const frame = encodeFrame({ first: 7, count: 2, acknowledgedTo: 5 }, Buffer.from('a payload of a message'), 99);
    for (let bit = 0; bit < frame.length * 8; bit += 1) {
      const turned = Buffer.from(frame);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      expect(whole(turned, 99), `bit ${bit}`).toBe(false);
    }
  });

  it('is none with its end missing, from any place', () => {
    const frame = encodeFrame({ first: 7, count: 2, acknowledgedTo: 5 }, Buffer.from('payload'), 99);
    for (let length = 0; length < frame.length; length += 1) expect(whole(frame.subarray(0, length), 99), `length ${length}`).toBe(false);
  });

  it('is none in a segment of another seed', () => {
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 50 }), seeds, seeds, (head, payload, seed, other) => {
        fc.pre(seed !== other);
        expect(whole(encodeFrame(head, payload, seed), other)).toBe(false);
      }),
    );
  });

  it('of a newer version is refused by name, not taken for damage', () => {
    const frame = encodeFrame({ first: 1, count: 1, acknowledgedTo: 1 }, Buffer.from('x'), 1);
    frame[3] = 2;
    // Its own sum, as the release that wrote it would have made it.
    const newer = Buffer.from(frame);
    newer.writeUInt32LE(sumOf(newer, 1), 4);
    expect(() => decodeHead(newer, 1)).toThrow('version 2 were written by a newer release');
    expect(decodeHead(frame, 1)).toBeUndefined();
  });
});

describe('Messages in a payload', () => {
  it('come out as they went in', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    const message = fc.record({
      topic: text,
      tag: text,
      keys: fc.array(text, { maxLength: 3 }),
      properties: fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true }),
      body: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        expect(decodeMessages(Buffer.concat(messages.map(encodeMessage)))).toEqual(messages);
      }),
    );
  });
});

function sumOf(frame: Buffer, seed: number): number {
  return crc32(frame.subarray(8, FRAME_HEAD_BYTES), crc32(frame.subarray(0, 4), seed));
}
