// Makes sure that there is a Chromium for the browser journeys, and prints where: Debian's package, installed when we may.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findChromium, WHAT_TO_INSTALL } from '../test/support/choose-browser.ts';

let found = findChromium(process.env);
if (found === undefined && existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
  console.error('Chromium is missing: apt-get install chromium');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  for (const args of [
    [...wait, 'update'],
    [...wait, 'install', '-y', '--no-install-recommends', 'chromium'],
  ]) {
    const { status, stdout, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (status === 0) continue;
    console.error(`${stdout}\n${stderr}`.split('\n').slice(-20).join('\n'));
    break;
  }
  found = findChromium(process.env);
}
if (found === undefined) {
  console.error(`There is no Chromium: ${WHAT_TO_INSTALL}`);
  process.exit(1);
}
console.log(found);
