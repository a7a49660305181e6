import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { InvalidMessageError } from '../../src/errors.ts';
import { type HalfMessageIdentity, MAX_BODY_BYTES, encodeHalfMessage, viewHalfMessage } from '../../src/transaction/half-message.ts';

const identity = { owner: 'shop', listener: 'orders:placed', transactionId: 't1', correlationId: 'c1', lookup: 'rowExists' as const };
const encode = (change: Partial<Parameters<typeof encodeHalfMessage>[0]> = {}, who: Partial<HalfMessageIdentity> = {}) =>
  encodeHalfMessage({ topic: 'orders', tag: 'placed', keys: ['o1'], payload: { id: 'o1' }, ...change }, { ...identity, ...who });

describe('Half message', () => {
  it('brings any JSON value to the look-up as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (payload) => {
        const sent = encode({ payload });
        const view = viewHalfMessage(sent);
        expect(view.payload).toEqual(JSON.parse(JSON.stringify(payload)));
      }),
    );
  });

  it('takes a payload of exactly the limit, and refuses one byte more', () => {
    const text = 'x'.repeat(MAX_BODY_BYTES - 2);
    expect(encode({ payload: text }).body.byteLength).toBe(MAX_BODY_BYTES);
    expect(() => encode({ payload: `${text}x` })).toThrow(`payload has ${MAX_BODY_BYTES + 1} bytes`);
  });

  it.each([
    ['nothing', { payload: undefined }, /must be a JSON value, got undefined/],
    ['a function', { payload: () => {} }, /must be a JSON value, got function/],
    ['a big integer', { payload: { amount: 1n } }, /cannot be written as JSON/],
    ['an empty key', { keys: [''] }, /key ""/],
    ['a key with a tab', { keys: ['a\tb'] }, /key "a\\tb"/],
    ['a key that is no string', { keys: [7] }, /key 7/],
    ['keys that are no array', { keys: 'o1' }, /keys must be an array/],
    ['keys of 9 KiB', { keys: ['k'.repeat(9 * 1024)] }, /keys are longer/],
  ])('refuses %s', (_what, change, message) => {
    expect(() => encode(change as never)).toThrow(message);
    expect(() => encode(change as never)).toThrow(InvalidMessageError);
  });

  it('refuses a payload that refers to itself', () => {
    const payload: Record<string, unknown> = {};
    payload['self'] = payload;
    expect(() => encode({ payload })).toThrow(/circular/);
  });

  it.each(['', 'a\nb', 'x'.repeat(129)])('refuses the correlation id %j', (correlationId) => {
    expect(() => encode({}, { correlationId })).toThrow(/correlation id/);
  });
});

describe('Trace context', () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

  it('travels as the properties the W3C names', () => {
    expect(encode({}, { traceparent, tracestate: 'vendor=1' }).properties).toMatchObject({ traceparent, tracestate: 'vendor=1' });
    expect(Object.keys(encode().properties)).not.toContain('traceparent');
  });

  it.each(['', '00-x-y-01', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `${traceparent}\n`])('is refused when malformed: %j', (wrong) => {
    expect(() => encode({}, { traceparent: wrong })).toThrow(/traceparent/);
  });
});
