import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** How a process ended, and what it said. */
export interface ProcessEnd<Report> {
  /** The exit code, or the name of the signal that ended it. */
  readonly how: number | NodeJS.Signals;
  /** JSON lines of its standard output. */
  readonly reports: readonly Report[];
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export interface TestProcess<Report> extends AsyncDisposable {
  readonly pid: number;
  readonly reports: readonly Report[];
  /** Resolves when it ended by itself; nobody helps it to. */
  readonly ended: Promise<ProcessEnd<Report>>;
  kill(signal: NodeJS.Signals): void;
  /** Its standard error so far. */
  saidToStderr(): string;
  /** Writes a JSON line to its standard input, if it has one; it reads it when it can. */
  send(line: object): void;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Starts `node <module> <args>`, the module named from the root of the project. Its standard input is empty, unless it is
 * `driven` by lines. Disposing ends it.
 */
export function startProcess<Report>(
  module: string,
  args: readonly string[],
  {
    env = process.env,
    cwd = root,
    driven = false,
  }: { env?: Readonly<Record<string, string | undefined>>; cwd?: string; driven?: boolean } = {},
): TestProcess<Report> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [`${root}${module}`, ...args], { cwd, env, stdio: [driven ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  // What is written to a process that is gone is lost.
  child.stdin?.on('error', () => {});
  const { stdout: said, stderr: complained } = child as { stdout: Readable; stderr: Readable };
  const reports: Report[] = [];
  let stdout = '';
  let stderr = '';
  let unread = '';
  said.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    const lines = (unread + text).split('\n');
    unread = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) reports.push(JSON.parse(line) as Report);
  });
  complained.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<ProcessEnd<Report>>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({ how: signal ?? code ?? -1, reports, stdout, stderr, tookMs: performance.now() - startedAt }),
    );
  });
  return {
    pid: child.pid ?? 0,
    reports,
    ended,
    kill: (signal) => void child.kill(signal),
    saidToStderr: () => stderr,
    send: (line) => void child.stdin?.write(`${JSON.stringify(line)}\n`),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended.catch(() => {});
    },
  };
}
