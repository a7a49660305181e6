import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { DEFAULT_STATUS_CHECK_TIMES, resolveStatusCheck, type StatusCheck } from '../../src/gateway/status-check.ts';
import { payOrder } from './support/payment-call.ts';

const check: StatusCheck<unknown, unknown> = { path: () => '/payments/1', interpret: () => undefined };

describe('resolveStatusCheck', () => {
  it('asks by GET, after five minutes, up to a day, and retries what never arrived', () => {
    expect(resolveStatusCheck('pay-order', check)).toEqual({
      ...check,
      method: 'GET',
      whenAbsent: 'retry',
      afterMs: 300_000,
      maxDelayMs: 3_600_000,
      maxAgeMs: 86_400_000,
    });
    expect(DEFAULT_STATUS_CHECK_TIMES).toEqual({ afterMs: 300_000, maxDelayMs: 3_600_000, maxAgeMs: 86_400_000 });
  });

  it('keeps what it is given, frozen', () => {
    const resolved = resolveStatusCheck('pay-order', { ...check, method: 'POST', body: () => ({}), whenAbsent: 'fail', afterMs: 1_000 });
    expect(resolved).toMatchObject({ method: 'POST', whenAbsent: 'fail', afterMs: 1_000 });
    expect(Object.isFrozen(resolved)).toBe(true);
  });

  it.each([
    ['afterMs', 0],
    ['afterMs', 1.5],
    ['maxDelayMs', Number.NaN],
    ['maxDelayMs', 299_999],
    ['maxAgeMs', -1],
  ])('refuses %s %d', (name, value) => {
    const resolve = () => resolveStatusCheck('pay-order', { ...check, [name]: value });
    expect(resolve).toThrow(RangeError);
    expect(resolve).toThrow(new RegExp(`^pay-order\\.statusCheck\\.${name} must .* got ${value}$`));
  });

  it('refuses a body for GET', () => {
    expect(() => resolveStatusCheck('pay-order', { ...check, body: () => ({}) })).toThrow(ConfigurationError);
  });

  it('is checked when the call is defined', () => {
    expect(() => payOrder({ statusCheck: { ...check, afterMs: 0 } as never })).toThrow(RangeError);
    expect(() => payOrder({ name: 'x'.repeat(94), statusCheck: check as never })).toThrow(ConfigurationError);
  });
});
