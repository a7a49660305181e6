import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let project: string;

/** As on a machine that has Node and nothing else. */
const runTests = (env: Record<string, string> = {}) => {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts/run-tests.mjs')], {
    cwd: project,
    encoding: 'utf8',
    env: { PATH: join(project, 'bin'), HOME: project, DOCKER_HOST: 'tcp://127.0.0.1:1', ...env },
  });
  return { status, lines: stdout.trimEnd().split('\n') };
};

/** A project like ours: four kinds of tests, each with one that passes. */
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'checkback-run-tests-'));
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
  mkdirSync(join(project, 'bin'));
  symlinkSync(process.execPath, join(project, 'bin/node'));
  // For the first lines of scripts.
  symlinkSync('/usr/bin/env', join(project, 'bin/env'));
  const kinds = ['unit', 'package', 'int', 'e2e'];
  for (const kind of kinds) writeFileSync(join(project, `${kind}.test.js`), `import { it } from 'vitest';\nit('${kind}', () => {});\n`);
  const projects = kinds.map((kind) => `{ test: { name: '${kind}', include: ['${kind}.test.js'] } }`).join(', ');
  writeFileSync(join(project, 'vitest.config.mjs'), `export default { test: { projects: [${projects}] } };\n`);
});

afterAll(() => rmSync(project, { recursive: true }));

describe('npm test where no broker and no database can be had', () => {
  it('runs what needs neither, and names what was not run and why before its last line', () => {
    const { status, lines } = runTests();
    expect(lines.slice(-4)).toEqual([
      expect.stringMatching(/^NOT RUN: int \(.*database\)$/),
      expect.stringMatching(/^NOT RUN: e2e \(.*broker.*\)$/),
      expect.stringMatching(/^because no Docker answers.*, and a JDK, .* not installed; install a JDK 17/),
      '2 passed, 0 failed',
    ]);
    expect(status).toBe(0);
  });

  it('is a failure in CI', () => {
    const { status, lines } = runTests({ CI: 'true' });
    expect(lines.at(-1)).toBe('2 passed, 0 failed');
    expect(lines.at(-2)).toMatch(/With CI=true that is a failure/);
    expect(status).toBe(1);
  });

  it('runs everything on a stack that somebody else has started', () => {
    const { status, lines } = runTests({ CHECKBACK_TEST_STACK: '{}', CHECKBACK_CHROMIUM: process.execPath });
    expect(lines.at(-1)).toBe('4 passed, 0 failed');
    expect(lines.join('\n')).not.toMatch(/NOT RUN/);
    expect(status).toBe(0);
  });

  it('says so where only a browser is missing', () => {
    const { status, lines } = runTests({ CHECKBACK_TEST_STACK: '{}' });
    expect(lines.slice(-2)).toEqual([expect.stringMatching(/^NOT RUN: the journeys .* there is no Chromium: run /), '4 passed, 0 failed']);
    expect(status).toBe(0);
  });
});
