import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { runAfterOurDeath } from './lifeline.ts';
import { StackError } from './stack-error.ts';

/** Pinned like everything else that is downloaded and run. */
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1';

/** One run of Maven's dependency plugin. */
export type MavenRun = {
  /** What is fetched, for people: "RocketMQ 5.4.0". */
  readonly what: string;
  /** The plugin's goal and its arguments. */
  readonly goal: readonly string[];
  /**
   * An empty folder to work in. Maven takes a pom.xml it finds in its working directory for the project, and the plugin
   * keeps markers under `target/` there: one that says "unpacked already" would have it unpack nothing.
   */
  readonly cwd: string;
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** Runs Maven and resolves when it succeeded. Reports at most once a second. Aborting ends Maven; what it has, it keeps. */
export async function downloadWithMaven({ what, goal, cwd, onProgress, signal }: MavenRun): Promise<void> {
  signal?.throwIfAborted();
  const [name, ...rest] = goal;
  onProgress?.(`${what}: asking Maven`);
  const maven = spawn('mvn', ['-B', `${PLUGIN}:${name}`, ...rest], { stdio: ['ignore', 'pipe', 'pipe'], detached: true, cwd });
  const callOff = maven.pid === undefined ? undefined : runAfterOurDeath(`kill -9 -${maven.pid}`);
  const abort = (): void => {
    if (maven.pid !== undefined) process.kill(-maven.pid, 'SIGKILL');
  };
  const tail: string[] = [];
  const progress = createProgress(what, onProgress);
  for (const stream of [maven.stdout, maven.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      progress(line);
      if (tail.push(line) > 15) tail.shift();
    });
  }
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const outcome = await new Promise<string | undefined>((resolve) => {
      maven.once('error', (error) => resolve(error.message));
      maven.once('close', (code, killedBy) => resolve(code === 0 ? undefined : `ended with ${killedBy ?? `code ${code}`}`));
    });
    signal?.throwIfAborted();
    if (outcome !== undefined)
      throw new StackError(`Maven could not fetch ${what}: ${outcome}; what it has got is kept, so try again.\n${tail.join('\n')}`);
  } finally {
    signal?.removeEventListener('abort', abort);
    callOff?.();
  }
}

/** Counts "Downloaded from central: …/x.jar (1.2 MB at …)" lines. */
export function createProgress(
  what: string,
  report: ((line: string) => void) | undefined,
  now: () => number = () => performance.now(),
): (line: string) => void {
  let files = 0;
  let bytes = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;
  return (line) => {
    const match = /^(?:\[INFO\] )?Downloaded from \S+: \S*\/(\S+) \(([\d.]+) ?(B|kB|MB|GB)\b/.exec(line);
    if (!match) return;
    files += 1;
    bytes += Number(match[2]) * UNIT[match[3] as keyof typeof UNIT];
    if (now() - reportedAt < 1000) return;
    reportedAt = now();
    report?.(`${what}: ${files} files, ${(bytes / 1e6).toFixed(1)} MB, last ${match[1]}`);
  };
}

const UNIT = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };
