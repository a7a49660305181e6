import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAfterOurDeath } from '../../../src/cli/stack/lifeline.ts';

/** A folder for a stack's data (150 MB and more) that does not outlive the test run, even when that is killed. */
export function temporaryDataDir(prefix: string): {
  readonly dataDir: string;
  remove(): void;
  /** For reading its logs afterwards. */ keep(): void;
} {
  const dataDir = mkdtempSync(join(tmpdir(), prefix));
  // After the servers, which the same death ends: one that still writes would make files anew.
  const keep = runAfterOurDeath(`sleep 1; rm -rf '${dataDir}'`);
  return {
    dataDir,
    keep,
    remove: () => {
      keep();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
