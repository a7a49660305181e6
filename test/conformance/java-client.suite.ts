import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BrokerUnderTest } from './broker-under-test.ts';

const run = promisify(execFile);
const SOURCE = resolve(import.meta.dirname, 'java');
const LIB = resolve(import.meta.dirname, '../../.cache/conformance-java/lib');
const JAR = join(LIB, 'rocketmq-client-java-5.0.8.jar');

/** Never on the class path of a broker: the client is shaded, and a proxy then fails with a ClassCastException. */
async function requireClient(): Promise<void> {
  if (existsSync(JAR)) return;
  const goal = ['-q', '-B', '-f', join(SOURCE, 'pom.xml'), 'dependency:copy-dependencies', '-DincludeScope=runtime'];
  await run('mvn', [...goal, `-DoutputDirectory=${LIB}`]);
}

/** The official Java client finds what it expects. Needs a JDK and, the first time, Maven and the network. */
export function javaClientSuite(broker: BrokerUnderTest): void {
  describe(`the official Java client on ${broker.name}`, () => {
    let classes: string;
    beforeAll(async () => {
      await broker.open();
      classes = mkdtempSync(join(tmpdir(), 'checkback-java-'));
      await requireClient();
      await run('javac', ['-cp', JAR, '-d', classes, join(SOURCE, 'Conformance.java')]);
    });
    afterAll(async () => {
      await broker.close();
      rmSync(classes, { recursive: true });
    });

    it('commits, is asked back, receives, acknowledges, and is pushed to again after a failure', async () => {
      const topics = [await broker.createTopic('TRANSACTION'), await broker.createTopic('NORMAL')];
      const groups = [await broker.createGroup(), await broker.createGroup()];
      const program = ['-cp', `${JAR}:${classes}`, `-Duser.home=${classes}`, 'Conformance', broker.endpoints, ...topics, ...groups];
      const { stdout } = await run('java', program, { timeout: 110_000 });
      const lines = stdout.trim().split('\n');
      expect(lines.filter((line) => !line.startsWith('asked about'))).toEqual([
        'received committed',
        'received forgotten',
        'pushed ordinary, attempt 1',
        'pushed ordinary, attempt 2',
        'done',
      ]);
      expect(lines).toContain('asked about forgotten');
    });
  });
}
