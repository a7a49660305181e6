import { InvalidArgumentError } from 'commander';

/** A moment; without a zone it is UTC and not the machine's own. */
export const instant = (text: string): Date => {
  const match = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  const date = new Date(match === null ? Number.NaN : `${text.replace(' ', 'T')}${match[1] === undefined && text.length > 10 ? 'Z' : ''}`);
  if (Number.isNaN(date.getTime())) throw new InvalidArgumentError('It must be a time such as 2026-01-31T08:00:00Z.');
  return date;
};
