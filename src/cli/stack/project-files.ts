import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StackError } from './stack-error.ts';

/** Absolute path of a file under `docker/`, whether this runs from the sources or from the built package. */
export function dockerFile(...path: string[]): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    const candidate = join(folder, 'docker', ...path);
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) throw new StackError(`docker/${path.join('/')} is missing above ${start}: the package is incomplete`);
  }
}

/** The path of a sibling module that is to be run as a process of its own: `.ts` in the sources, `.js` once built. */
export function siblingModule(name: string): string {
  const here = fileURLToPath(import.meta.url);
  return join(dirname(here), `${name}${here.endsWith('.ts') ? '.ts' : '.js'}`);
}
