import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Loaded } from '../load/loaded.ts';
import { type LoadProcess, startLoadProcess } from '../load/load-process.ts';

const run = promisify(execFile);
const SOURCE = resolve(import.meta.dirname, 'java');
const LIB = resolve(import.meta.dirname, '../../.cache/bench-java/lib');
const JAR = join(LIB, 'rocketmq-client-java-5.0.8.jar');

/** The official Java client under the same load. Needs a JDK and, the first time, Maven and the network. */
export async function startJavaClient(endpoints: string, topic: string, signal: AbortSignal): Promise<LoadProcess<Loaded>> {
  if (!existsSync(JAR)) {
    const goal = ['-q', '-B', '-f', join(SOURCE, 'pom.xml'), 'dependency:copy-dependencies', '-DincludeScope=runtime'];
    await run('mvn', [...goal, `-DoutputDirectory=${LIB}`], { signal });
  }
  const classes = mkdtempSync(join(tmpdir(), 'checkback-bench-java-'));
  const remove = (): void => rmSync(classes, { recursive: true, force: true });
  try {
    // The client is shaded, but not all of it.
    const classPath = `${join(LIB, '*')}:${classes}`;
    await run('javac', ['-cp', classPath, '-d', classes, join(SOURCE, 'HalfAndEnd.java')], { signal });
    const program = ['-cp', classPath, `-Duser.home=${classes}`, 'HalfAndEnd', endpoints, topic];
    const child = await startLoadProcess<Loaded>('java', program, signal);
    return {
      ...child,
      close: async (ms) => {
        await child.close(ms);
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
