import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskJson, type MaskRules } from '../../src/gateway/mask-json.ts';

const mask = (text: string, rules: Partial<MaskRules>): string | undefined =>
  maskJson(Buffer.from(text), { mask: [], ...rules })?.bytes.toString('utf8');

describe('maskJson', () => {
  it('masks a path and leaves every other byte alone', () => {
    const text = '{ "a" : 1.00, "iban":"DE89",\n "big": 12345678901234567890, "é":"\\u00e9\\"" }';
    expect(mask(text, { mask: ['iban'] })).toBe(text.replace('"DE89"', '"***"'));
  });

  it('masks what is below a path as a whole', () => {
    expect(mask('{"card":{"pan":"4111","x":[1,{"y":"}"}]},"ok":true}', { mask: ['card'] })).toBe('{"card":"***","ok":true}');
  });

  it('reaches into every item of an array', () => {
    expect(mask('{"items":[{"iban":1,"n":2},[{"iban":null}]]}', { mask: ['items.iban'] })).toBe(
      '{"items":[{"iban":"***","n":2},[{"iban":"***"}]]}',
    );
  });

  it('knows any name and any depth', () => {
    expect(mask('{"a":{"x":1},"b":{"x":2,"y":3}}', { mask: ['*.x'] })).toBe('{"a":{"x":"***"},"b":{"x":"***","y":3}}');
    expect(mask('{"token":1,"a":[{"b":{"token":2}}],"tokens":3}', { mask: ['**.token'] })).toBe(
      '{"token":"***","a":[{"b":{"token":"***"}}],"tokens":3}',
    );
    expect(mask('{"a":{"b":{"c":1}},"b":{"c":2},"c":3}', { mask: ['**.b.c'] })).toBe('{"a":{"b":{"c":"***"}},"b":{"c":"***"},"c":3}');
  });

  it('compares names without case, escapes read', () => {
    expect(mask('{"PassWord":"x","p\\u0061ssword":"y"}', { mask: ['password'] })).toBe('{"PassWord":"***","p\\u0061ssword":"***"}');
  });

  it('masks whatever is not kept, when there is a list of what is', () => {
    expect(mask('{"id":"7","secret":"s","amount":{"minor":5,"note":"n"},"list":[1]}', { keep: ['id', 'amount.minor'] })).toBe(
      '{"id":"7","secret":"***","amount":{"minor":5,"note":"***"},"list":["***"]}',
    );
    expect(mask('{"amount":{"minor":5,"pin":1}}', { keep: ['amount'], mask: ['**.pin'] })).toBe('{"amount":{"minor":5,"pin":"***"}}');
    expect(mask('"text"', { keep: [] })).toBe('"***"');
    expect(mask('["text"]', { keep: [] })).toBe('["***"]');
  });

  it('says whether anything was masked', () => {
    expect(maskJson(Buffer.from('{"a":1}'), { mask: ['b'] })).toMatchObject({ isMasked: false });
    expect(maskJson(Buffer.from('{"b":1}'), { mask: ['b'] })).toMatchObject({ isMasked: true });
  });

  it('refuses what is not JSON', () => {
    for (const text of ['', '{', '{"a":1', 'password=1', '{"a":1}x']) expect(mask(text, { mask: ['a'] })).toBeUndefined();
  });

  it('walks nesting of any depth', () => {
    const deep = `${'['.repeat(50_000)}{"pin":1}${']'.repeat(50_000)}`;
    expect(mask(deep, { mask: ['**.pin'] })).toBe(deep.replace('1', '"***"'));
  });

  it('keeps any JSON as it was when nothing matches, and lets no value through when nothing is kept', () => {
    const json = fc
      .tuple(fc.json(), fc.constantFrom(undefined, 1, 2))
      .map(([text, indent]) => JSON.stringify(JSON.parse(text), undefined, indent));
    fc.assert(
      fc.property(json, (text) => {
        expect(mask(text, {})).toBe(text);
        const masked = JSON.parse(mask(text, { keep: [] }) ?? 'x') as unknown;
        expect(masked).toEqual(allMasked(JSON.parse(text)));
      }),
    );
  });
});

function allMasked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(allMasked);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, allMasked(inner)]));
  return '***';
}
