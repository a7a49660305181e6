import { userInfo } from 'node:os';
import { ConfigurationError } from '../errors.ts';

/** Who decides: what was said, or who the operating system says this is. Throws `ConfigurationError` when it does not know. */
export const decidedBy = (by: string | undefined): string => {
  if (by !== undefined && by.trim() !== '') return by.trim();
  try {
    return userInfo().username;
  } catch (cause) {
    throw new ConfigurationError('the operating system has no name for this user: say who decides with --by', { cause });
  }
};
