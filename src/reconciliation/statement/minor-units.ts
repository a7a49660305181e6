/** How amounts are written. */
export interface AmountNotation {
  /** Default `.`. */
  readonly decimal?: '.' | ',';
  /** Between groups of three digits; default none, and none is taken. */
  readonly group?: '.' | ',' | ' ' | "'" | '\u00a0' | '\u202f';
  /** Digits after the decimal separator. Default: those of the currency, ISO 4217. */
  readonly exponent?: number;
}

const LARGEST = 2n ** 63n - 1n;
const exponents = new Map<string, number>();
const patterns = new Map<string, RegExp>();

/**
 * Reads a decimal text as whole minor units: `minorUnits('1234.5', 'EUR')` is `123450n`. No float is involved. Throws
 * `RangeError` for what is not an amount, has more digits than the currency has minor units, or does not fit 64 bits.
 */
export const minorUnits = (text: string, currency: string, notation: AmountNotation = {}): bigint => {
  const { decimal = '.', group, exponent = exponentOf(currency) } = notation;
  const match = patternOf(decimal, group).exec(text);
  if (match === null) throw new RangeError(`${JSON.stringify(text.slice(0, 40))} is not an amount`);
  const [, sign = '', whole = '', fraction = ''] = match;
  if (fraction.length > exponent)
    throw new RangeError(
      `${JSON.stringify(text.slice(0, 40))} has ${fraction.length} digits after the separator, ${currency} has ${exponent}`,
    );
  const digits = group === undefined ? whole : whole.replaceAll(group, '');
  if (digits.length > 19) throw new RangeError(`${JSON.stringify(text.slice(0, 40))} is larger than 64 bits`);
  const units = BigInt(digits + fraction.padEnd(exponent, '0'));
  if (units > LARGEST) throw new RangeError(`${JSON.stringify(text.slice(0, 40))} is larger than 64 bits`);
  return sign === '-' ? -units : units;
};

/** Digits of the minor unit, 2 for EUR and 0 for JPY. Throws `RangeError` for what is no currency code. */
export const exponentOf = (currency: string): number => {
  let exponent = exponents.get(currency);
  if (exponent === undefined) {
    if (!/^[A-Z]{3}$/.test(currency)) throw new RangeError(`${JSON.stringify(currency.slice(0, 40))} is not a currency code such as EUR`);
    exponent = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
    exponents.set(currency, exponent);
  }
  return exponent;
};

function patternOf(decimal: string, group: string | undefined): RegExp {
  const key = `${decimal}${group ?? ''}`;
  let pattern = patterns.get(key);
  if (pattern === undefined) {
    const whole = group === undefined ? '\\d+' : `\\d{1,3}(?:[${group}]\\d{3})+|\\d+`;
    pattern = new RegExp(`^([+-]?)(${whole})(?:[${decimal}](\\d+))?$`);
    patterns.set(key, pattern);
  }
  return pattern;
}
