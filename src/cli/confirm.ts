import type { Readable, Writable } from 'node:stream';
import { createInterface } from 'node:readline/promises';
import { ConfigurationError } from '../errors.ts';

/**
 * Whether to go on: `--yes`, or a person who says so. Throws `ConfigurationError` where nobody can be asked, so that a
 * script never decides by accident.
 */
export const confirm = async (
  question: string,
  yes: boolean | undefined,
  input: Readable & { readonly isTTY?: boolean } = process.stdin,
  output: Writable = process.stderr,
): Promise<boolean> => {
  if (yes) return true;
  if (input.isTTY !== true) throw new ConfigurationError(`${question} Nobody can be asked here: confirm with --yes`);
  const lines = createInterface({ input, output });
  try {
    return /^y(?:es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
};
