import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnswerKind, answerReader, errPacket, framed, packetCutter, queryText } from './mysql-proxy-packets.ts';

const DEPRECATE_EOF = 0x0100_0000;
const QUERY_ATTRIBUTES = 0x0800_0000;
const packet = (...bytes: number[]) => framed(1, Buffer.from(bytes));
const ok = packet(0x00, 0, 0, 0x02, 0, 0, 0);
const okThenMore = packet(0x00, 0, 0, 0x0a, 0, 0, 0);
const eof = packet(0xfe, 0, 0, 0x02, 0);
const okAtEnd = packet(0xfe, 0, 0, 0x02, 0, 0, 0);
const error = errPacket(1, { errno: 1290, sqlState: 'HY000', message: 'read-only' });
const oneColumn = packet(0x01);
const column = packet(0x03, 0x64, 0x65, 0x66);

/** The kind told with the last packet; `undefined` for each before it. */
function read(capabilities: number, ...stream: Buffer[]): (AnswerKind | undefined)[] {
  const reader = answerReader(capabilities);
  return packetCutter()(Buffer.concat(stream)).map(reader);
}

describe('The MySQL packet cutter', () => {
  it('gives the same packets however the bytes are chunked', () => {
    const stream = Buffer.concat([ok, eof, error, column, framed(7, Buffer.alloc(0))]);
    const whole = packetCutter()(stream);
    expect(whole).toHaveLength(5);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 30 }), (sizes) => {
        const cut = packetCutter();
        const packets = [];
        let at = 0;
        for (const size of [...sizes, stream.byteLength]) packets.push(...cut(stream.subarray(at, (at += size))));
        expect(packets).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });
});

describe('The reader of an answer', () => {
  it('knows OK and ERR by their first packet', () => {
    expect(read(0, ok)).toEqual(['ok']);
    expect(read(0, error)).toEqual(['error']);
  });

  it('finds the end of rows, and does not take a row or a column for it', () => {
    const rowThatLooksLikeOk = packet(0x00);
    const rowOfNull = packet(0xfb);
    expect(read(0, oneColumn, column, eof, rowThatLooksLikeOk, rowOfNull, eof).map((kind) => kind ?? '-')).toEqual([
      '-',
      '-',
      '-',
      '-',
      '-',
      'rows',
    ]);
    expect(read(DEPRECATE_EOF, oneColumn, column, rowThatLooksLikeOk, okAtEnd).map((kind) => kind ?? '-')).toEqual(['-', '-', '-', 'rows']);
  });

  it('knows an error that comes after some rows', () => {
    expect(read(0, oneColumn, column, eof, packet(0x01, 0x31), error).at(-1)).toBe('error');
  });

  it('goes on while more results are announced', () => {
    expect(read(0, okThenMore, ok)).toEqual([undefined, 'ok']);
    expect(read(0, okThenMore, error)).toEqual([undefined, 'error']);
  });
});

describe('The text of a query', () => {
  it('is behind the command, and behind the count of attributes where they are spoken', () => {
    expect(queryText(Buffer.from('\u0003commit'), 0)).toBe('commit');
    expect(queryText(Buffer.from('\u0003\u0000\u0001commit'), QUERY_ATTRIBUTES)).toBe('commit');
    expect(queryText(Buffer.from([0x0e]), 0)).toBeUndefined();
  });
});
