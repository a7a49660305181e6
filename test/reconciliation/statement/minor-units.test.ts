import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minorUnits } from '../../../src/reconciliation/statement/minor-units.ts';

describe('minorUnits', () => {
  it.each([
    ['12', 'EUR', {}, 1_200n],
    ['12.3', 'EUR', {}, 1_230n],
    ['0.07', 'EUR', {}, 7n],
    ['-0.07', 'EUR', {}, -7n],
    ['+1', 'EUR', {}, 100n],
    ['1500', 'JPY', {}, 1_500n],
    ['1.234', 'BHD', {}, 1_234n],
    ['1.234.567,89', 'EUR', { decimal: ',', group: '.' }, 123_456_789n],
    ['1234,5', 'EUR', { decimal: ',', group: '.' }, 123_450n],
    ["1'000.00", 'CHF', { group: "'" }, 100_000n],
    ['92233720368547758.07', 'EUR', {}, 2n ** 63n - 1n],
    ['12345', 'EUR', { exponent: 0 }, 12_345n],
  ] as const)('%s %s with %o is %s', (text, currency, notation, units) => {
    expect(minorUnits(text, currency, notation)).toBe(units);
  });

  it.each([
    ['', 'is not an amount'],
    ['12,5', 'is not an amount'],
    ['1.234.567', 'is not an amount'],
    ['1e3', 'is not an amount'],
    [' 1', 'is not an amount'],
    ['.5', 'is not an amount'],
    ['1.', 'is not an amount'],
    ['NaN', 'is not an amount'],
    ['1.005', '3 digits after the separator, EUR has 2'],
    ['92233720368547758.08', 'larger than 64 bits'],
    ['9'.repeat(400), 'larger than 64 bits'],
  ])('%s is refused', (text, why) => {
    expect(() => minorUnits(text, 'EUR')).toThrow(why);
  });

  it('takes no group where none is declared, and only whole groups where one is', () => {
    expect(() => minorUnits('1,000.00', 'EUR')).toThrow('is not an amount');
    expect(() => minorUnits('1,00.00', 'EUR', { group: ',' })).toThrow('is not an amount');
  });

  it('reads back whatever is written, exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n - 1n), max: 2n ** 63n - 1n }), (units) => {
        const digits = String(units < 0n ? -units : units).padStart(3, '0');
        expect(minorUnits(`${units < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`, 'EUR')).toBe(units);
      }),
    );
  });
});
