import { InvalidArgumentError } from 'commander';
import { wholeNumber } from './whole-number.ts';

/** Parses a port; 0 stands for a free one. */
export function portNumber(text: string): number {
  const value = wholeNumber(text);
  if (value > 65_535) throw new InvalidArgumentError('It must be a port, 0 to 65535.');
  return value;
}
