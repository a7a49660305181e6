import { InvalidArgumentError } from 'commander';

/** How often at most; a number above 0, fractions allowed. */
export const perSecond = (text: string): number => {
  const value = Number(text);
  if (!(Number.isFinite(value) && value > 0 && value <= 10_000))
    throw new InvalidArgumentError('It must be a number above 0, 10000 at most.');
  return value;
};
