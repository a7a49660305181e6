// Runs before the commands of the README, on whatever Node the machine has: installs what the lockfile says, once.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const stampFile = 'node_modules/.installed-from';
const wanted = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
const installed = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : '';

if (installed !== wanted) {
  console.error('Installing the dependencies of the lockfile (npm ci); this happens once …');
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []];
  const result = spawnSync(command, [...args, 'ci', '--no-fund', '--no-audit', '--loglevel=error'], { stdio: ['ignore', 2, 2] });
  if (result.status !== 0) {
    console.error('npm ci failed: see the lines above; most often the package registry cannot be reached from here.');
    process.exit(1);
  }
  writeFileSync(stampFile, wanted);
}

const major = spawnSync('node_modules/.bin/node', ['--version'], { encoding: 'utf8' }).stdout ?? '';
if (Number(/^v(\d+)/.exec(major)?.[1] ?? 0) < 24) {
  console.error(
    'The commands need Node 24 or newer and the "node" package did not bring one: install Node 24 from your system, then run this again.',
  );
  process.exit(1);
}
