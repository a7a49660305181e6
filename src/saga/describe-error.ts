import { CheckbackError } from '../errors.ts';

/** What is stored and logged of anything thrown, at most 500 characters. A driver's message quotes the statement, so only its code. */
export function describeError(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `a thrown ${typeof thrown}`;
  const { errno, code } = thrown as NodeJS.ErrnoException;
  if (!(thrown instanceof CheckbackError) && (errno !== undefined || code !== undefined)) return `${thrown.name} ${code ?? errno}`;
  return `${thrown.name}: ${thrown.message}`.slice(0, 500);
}
