import { spawn } from 'node:child_process';
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
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Starts `node <module> <args>`, the module named from the root of the project, its standard input empty. Disposing ends it. */
export function startProcess<Report>(
  module: string,
  args: readonly string[],
  { env = process.env, cwd = root }: { env?: Readonly<Record<string, string | undefined>>; cwd?: string } = {},
): TestProcess<Report> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [`${root}${module}`, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const reports: Report[] = [];
  let stdout = '';
  let stderr = '';
  let unread = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    const lines = (unread + text).split('\n');
    unread = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) reports.push(JSON.parse(line) as Report);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
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
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended.catch(() => {});
    },
  };
}
