import { ConfigurationError } from '../errors.ts';

/** Parses a command-line value. Throws `ConfigurationError` saying that it is no JSON. */
export function jsonArgument(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConfigurationError('it must be JSON', { cause });
  }
}
