// All vitest projects that can run here; the last line says how many tests passed and failed, for people and for CI alike.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { whyNoStack } from '../test/support/choose-stack.ts';

const ANYWHERE = ['unit', 'package'];
const ON_A_STACK = { int: 'the stores and the publishing fences on a real database', e2e: 'everything on a real broker and database' };

const report = '.cache/test-report.json';
mkdirSync('.cache', { recursive: true });
// Many tests start processes, and most of what a start costs is reading TypeScript.
process.env.NODE_COMPILE_CACHE ??= resolve('.cache/compile');
rmSync(report, { force: true });
const given = process.argv.slice(2);
// Who names projects knows what to run.
const noStack = given.some((arg) => arg.startsWith('--project')) ? undefined : await whyNoStack(resolve('.cache'), process.env);
if (noStack) console.log(`Only what needs no broker and no database is run: ${noStack}`);
const projects = noStack ? ANYWHERE.flatMap((project) => ['--project', project]) : [];
const { status } = spawnSync(
  'node_modules/.bin/vitest',
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...projects, ...given],
  { stdio: 'inherit' },
);
if (!existsSync(report)) {
  console.error('The tests did not run to their end: see the lines above.');
  process.exit(status || 1);
}
const { numPassedTests, numFailedTests, numFailedTestSuites, success } = JSON.parse(readFileSync(report, 'utf8'));
// A file that cannot be loaded has no failed test of its own.
const failed = Math.max(numFailedTests, success ? 0 : Math.max(1, numFailedTestSuites > 0 ? numFailedTests : 1));
const isCi = process.env.CI === 'true';
if (noStack) {
  for (const [project, what] of Object.entries(ON_A_STACK)) console.log(`NOT RUN: ${project} (${what})`);
  console.log(`because ${noStack}`);
  if (isCi) console.log('With CI=true that is a failure.');
}
console.log(`${numPassedTests} passed, ${failed} failed`);
process.exit(status === 0 && failed === 0 && !(noStack && isCi) ? 0 : 1);
