import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidMessageError } from '../../src/errors.ts';
import { parseJson } from '../../src/worker/parse-json.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const nested = (depth: number, open = '[', close = ']'): Uint8Array => bytes(open.repeat(depth) + close.repeat(depth));

describe('JSON body', () => {
  it('parses to what JSON.parse gives, whatever strings it holds', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!/__proto__|constructor/.test(text));
        expect(parseJson(bytes(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('ignores brackets inside strings when it counts nesting', () => {
    const text = JSON.stringify({ note: '["\\'.repeat(200) });
    expect(parseJson(bytes(text))).toEqual(JSON.parse(text));
  });

  it('nests 64 deep and no deeper', () => {
    expect(() => parseJson(nested(64))).not.toThrow();
    expect(() => parseJson(nested(65))).toThrow(new InvalidMessageError('body nests deeper than 64'));
  });

  it.each([
    ['arrays', nested(10_000)],
    ['objects', nested(10_000, '{"a":', '}')],
    ['brackets never closed', bytes('['.repeat(1_000_000))],
  ])('refuses 10,000 levels of %s without overflowing the stack', (_, body) => {
    expect(() => parseJson(body)).toThrow(new InvalidMessageError('body nests deeper than 64'));
  });

  it.each([
    '{"__proto__":{"isAdmin":true}}',
    '{"a":[{"__proto__":1}]}',
    '{"\\u005f_proto__":{}}',
    '{"constructor":{"prototype":{"isAdmin":true}}}',
    '[{"a":{"constructor":{"proto\\u0074ype":null}}}]',
  ])('refuses keys that reach for a prototype: %s', (text) => {
    expect(() => parseJson(bytes(text))).toThrow(InvalidMessageError);
  });

  it('accepts a key named constructor that holds no prototype', () => {
    expect(parseJson(bytes('{"constructor":"Bauer & Sohn"}'))).toEqual({ constructor: 'Bauer & Sohn' });
  });

  it.each(['', '{', '{"a":1,}', 'undefined', '"\u0000"', '1 2'])('refuses what is not JSON: %j', (text) => {
    expect(() => parseJson(bytes(text))).toThrow(InvalidMessageError);
  });

  it('refuses what is not UTF-8', () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0xfe, 0x22))).toThrow(new InvalidMessageError('body is not UTF-8'));
  });

  it('refuses a body over the size limit before reading it', () => {
    expect(() => parseJson(new Uint8Array(11), { maxBytes: 10, maxDepth: 64 })).toThrow(
      new InvalidMessageError('body of 11 bytes is over the limit of 10'),
    );
  });

  it('never throws anything but InvalidMessageError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        const error = thrown(() => parseJson(body));
        expect(error === undefined || error instanceof InvalidMessageError).toBe(true);
      }),
    );
  });

  it('quotes nothing of the body in its error, nor in a cause', () => {
    const error = thrown(() => parseJson(bytes('{"card":"4111111111111111"')));
    expect(error).toBeInstanceOf(InvalidMessageError);
    expect(`${String(error)} ${String((error as Error).cause)}`).not.toContain('4111');
  });
});

const thrown = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
};
