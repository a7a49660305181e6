import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasArtifacts } from '../../../src/cli/stack/artifacts.ts';
import { downloadWithMaven } from '../../../src/cli/stack/maven.ts';
import { identityOf } from '../../../src/cli/stack/process-identity.ts';

const realPath = process.env['PATH'];
let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'checkback-maven-')));
  process.env['PATH'] = `${folder}${delimiter}${realPath}`;
});
afterEach(() => {
  process.env['PATH'] = realPath;
  rmSync(folder, { recursive: true });
});

/** Puts a shell script in Maven's place. */
const asMaven = (script: string): void => writeFileSync(join(folder, 'mvn'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
const read = (name: string): string => readFileSync(join(folder, name), 'utf8').trim();

describe('A download through Maven', () => {
  test('runs in the folder it is given, where no pom.xml and no marker of an earlier run can mislead it', async () => {
    const cwd = join(folder, 'work');
    mkdirSync(cwd);
    asMaven('pwd > ../where; echo "$*" > ../arguments');
    await downloadWithMaven({ what: 'X', goal: ['unpack', '-Dartifact=a'], cwd });
    expect(read('where')).toBe(cwd);
    expect(read('arguments')).toMatch(/^-B org\.apache\.maven\.plugins:maven-dependency-plugin:[\d.]+:unpack -Dartifact=a$/);
  });

  test('that fails tells what for, and Maven’s last words', async () => {
    asMaven('echo "Could not resolve a:b:1"; exit 1');
    const failure = downloadWithMaven({ what: 'RocketMQ 5.4.0', goal: ['unpack'], cwd: folder });
    await expect(failure).rejects.toThrow(
      /Maven could not fetch RocketMQ 5\.4\.0: ended with code 1; .*try again\.\nCould not resolve a:b:1/,
    );
  });

  test('that is aborted ends Maven and what Maven started', async () => {
    asMaven('sleep 600 & echo $! > child; echo "[INFO] Downloaded from central: https://x/y.jar (1 kB at 1 kB/s)"; wait');
    const cancel = new AbortController();
    const said: string[] = [];
    const running = downloadWithMaven({
      what: 'X',
      goal: ['unpack'],
      cwd: folder,
      onProgress: (line) => said.push(line),
      signal: cancel.signal,
    });
    await expect.poll(() => said).toContain('X: 1 files, 0.0 MB, last y.jar');
    const child = Number(read('child'));
    expect(identityOf(child)).toBeDefined();
    cancel.abort(new Error('interrupted'));
    await expect(running).rejects.toThrow('interrupted');
    await expect.poll(() => identityOf(child)).toBeUndefined();
  });

  test('that was interrupted counts as missing', () => {
    mkdirSync(join(folder, 'native', 'rocketmq-5.4.0', 'lib'), { recursive: true });
    expect(hasArtifacts(folder)).toBe(false);
  });
});
