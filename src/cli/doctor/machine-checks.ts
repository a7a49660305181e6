import { statfs } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { sqlitePath } from '../../store/sqlite-url.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

/** As in package.json. */
const LEAST_NODE = 24;
const GIB = 1024 ** 3;
/** 20 million rows of a statement are about two of them. */
const LITTLE_SPACE = 4 * GIB;
const NO_SPACE = GIB / 4;

export const nodeCheck: DoctorCheck<unknown> = { name: 'node', timeLimitMs: 1_000, look: async () => [judgeNode(process.versions.node)] };

export function judgeNode(version: string): Finding {
  if (Number.parseInt(version, 10) >= LEAST_NODE) return ok(`Node ${version}`);
  return fail(`Node ${version} is too old`, `install Node ${LEAST_NODE} or newer`);
}

export const diskCheck: DoctorCheck<Patient> = {
  name: 'disk',
  timeLimitMs: 5_000,
  async look({ config, isSqlite }) {
    const places = new Map([[tmpdir(), 'statements are compared in']]);
    if (config.strategy === 'localSegmentedOutbox' && config.segmentedLog !== undefined)
      places.set(resolve(config.segmentedLog.directory), 'the log of messages is in');
    if (isSqlite) places.set(dirname(sqlitePath(config.databaseUrl)), 'the database is in');
    return Promise.all(
      [...places].map(async ([folder, use]) => {
        // A log that is not there yet will be made in the nearest folder that is.
        const { bavail, bsize } = await statfs(nearest(folder));
        return judgeSpace(folder, use, bavail * bsize);
      }),
    );
  },
};

const nearest = (folder: string): string => (existsSync(folder) ? folder : nearest(dirname(folder)));

export function judgeSpace(folder: string, use: string, freeBytes: number): Finding {
  const free = freeBytes >= GIB ? `${(freeBytes / GIB).toFixed(1)} GiB` : `${Math.round(freeBytes / 1024 ** 2)} MiB`;
  const says = `${free} free in ${folder}, which ${use}`;
  const advice = 'make room, or point TMPDIR to a larger disk';
  if (freeBytes < NO_SPACE) return fail(says, advice);
  return freeBytes < LITTLE_SPACE ? warn(says, advice) : ok(says);
}
