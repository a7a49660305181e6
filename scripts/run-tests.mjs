// All vitest projects that can run here; the last line says how many tests passed and failed, for people and for CI alike.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { whyNoBrowser } from '../test/support/choose-browser.ts';
import { whyNoStack } from '../test/support/choose-stack.ts';
import { SHARED_STACK, openTestStack } from '../test/support/open-test-stack.ts';

const ANYWHERE = ['unit', 'package'];
const ON_A_STACK = { int: 'the stores and the publishing fences on a real database', e2e: 'everything on a real broker and database' };

mkdirSync('.cache', { recursive: true });
// Many tests start processes, and most of what a start costs is reading TypeScript.
process.env.NODE_COMPILE_CACHE ??= resolve('.cache/compile');
const given = process.argv.slice(2);
// Who names projects or files knows what to run.
const isAll = given.length === 0;
const isNamed = given.some((arg) => arg.startsWith('--project'));
const noStack = isNamed || process.env[SHARED_STACK] ? undefined : await whyNoStack(resolve('.cache'), process.env);
if (noStack) console.log(`Only what needs no broker and no database is run: ${noStack}`);

// One stack for all that need one. End to end tests mostly wait; the rest fills the other core meanwhile.
const lanes = noStack ? [[ANYWHERE]] : isAll ? [[['e2e']], [ANYWHERE, ['int']]] : [[[]]];
const isShared = lanes.length > 1;
const stack = isShared ? await openTestStack() : undefined;
if (stack) process.env[SHARED_STACK] = JSON.stringify(stack.provided);
if (isShared)
  console.log(`Side by side: ${lanes.map((lane) => lane.flat().join(', ')).join(' | ')}. The second says what it did when it is done.`);
const results = [];
await Promise.all(
  lanes.map(async (lane, index) => {
    for (const projects of lane) results.push(await vitest(projects, index > 0));
  }),
);
await stack?.close();

if (noStack) {
  for (const [project, what] of Object.entries(ON_A_STACK)) console.log(`NOT RUN: ${project} (${what})`);
  console.log(`because ${noStack}`);
}
const noBrowser = noStack ? undefined : whyNoBrowser(process.env);
if (noBrowser && isAll) console.log(`NOT RUN: the journeys over the ops page, because ${noBrowser}`);
const isCi = process.env.CI === 'true';
if (noStack && isCi) console.log('With CI=true that is a failure.');
const [passed, failed] = ['passed', 'failed'].map((kind) => results.reduce((sum, result) => sum + result[kind], 0));
console.log(`${passed} passed, ${failed} failed`);
process.exit(results.every(({ status }) => status === 0) && failed === 0 && !(noStack && isCi) ? 0 : 1);

/** One vitest process. What it says is shown at once, or all together at its end. */
async function vitest(projects, isQuietUntilDone) {
  const report = `.cache/test-report-${projects[0] ?? 'given'}.json`;
  rmSync(report, { force: true });
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  for (const project of projects) args.push('--project', project);
  const child = spawn('node_modules/.bin/vitest', [...args, ...given], {
    stdio: isQuietUntilDone ? ['ignore', 'pipe', 'pipe'] : 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  const said = [];
  child.stdout?.on('data', (chunk) => said.push(chunk));
  child.stderr?.on('data', (chunk) => said.push(chunk));
  const status = await new Promise((done) => void child.once('close', (code) => done(code ?? 1)));
  process.stdout.write(Buffer.concat(said));
  if (!existsSync(report)) {
    console.error(`The tests (${projects.join(', ') || 'as named'}) did not run to their end: see the lines above.`);
    return { status: status || 1, passed: 0, failed: 1 };
  }
  const { numPassedTests, numFailedTests, numFailedTestSuites, success } = JSON.parse(readFileSync(report, 'utf8'));
  // A file that cannot be loaded has no failed test of its own.
  const failed = Math.max(numFailedTests, success ? 0 : Math.max(1, numFailedTestSuites > 0 ? numFailedTests : 1));
  return { status, passed: numPassedTests, failed };
}
