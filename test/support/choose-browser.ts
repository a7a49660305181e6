import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

export const WHAT_TO_INSTALL =
  'run "node scripts/ensure-chromium.mjs" as root (Debian), install chromium otherwise, or name one with CHECKBACK_CHROMIUM';

/** Chromium of this machine: `CHECKBACK_CHROMIUM`, or the first one in the path. Throws when the one that was named is not there. */
export function findChromium(env: Environment): string | undefined {
  const named = env['CHECKBACK_CHROMIUM'];
  if (named) {
    if (!existsSync(named)) throw new RangeError(`CHECKBACK_CHROMIUM: there is no file ${named}`);
    return named;
  }
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** Why browser journeys cannot run on this machine, in one sentence; `undefined` when they can. */
export const whyNoBrowser = (env: Environment): string | undefined =>
  findChromium(env) === undefined ? `there is no Chromium: ${WHAT_TO_INSTALL}` : undefined;

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
