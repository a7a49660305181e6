// All vitest projects; the last line says how many tests passed and failed, for people and for CI alike.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';

const report = '.cache/test-report.json';
mkdirSync('.cache', { recursive: true });
// Many tests start processes, and most of what a start costs is reading TypeScript.
process.env.NODE_COMPILE_CACHE ??= resolve('.cache/compile');
rmSync(report, { force: true });
const { status } = spawnSync(
  'node_modules/.bin/vitest',
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
if (!existsSync(report)) {
  console.error('The tests did not run to their end: see the lines above.');
  process.exit(status || 1);
}
const { numPassedTests, numFailedTests, numFailedTestSuites, success } = JSON.parse(readFileSync(report, 'utf8'));
// A file that cannot be loaded has no failed test of its own.
const failed = Math.max(numFailedTests, success ? 0 : Math.max(1, numFailedTestSuites > 0 ? numFailedTests : 1));
console.log(`${numPassedTests} passed, ${failed} failed`);
process.exit(status === 0 && failed === 0 ? 0 : 1);
