import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A process of the demo that speaks JSON lines. */
export interface DemoProcess<Report> {
  readonly pid: number;
  /** Resolves with the exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  send(line: unknown): void;
  /** Resolves with the first report, from now on, that matches; rejects when the process ends first. */
  next(matches: (report: Report) => boolean): Promise<Report>;
  /** Closes its input or sends SIGTERM; SIGKILL when it is not gone after five seconds. */
  stop(): Promise<void>;
}

/** Path of a module beside this one, `.ts` in the sources and `.js` when built. */
export function demoModule(name: string): string {
  return fileURLToPath(new URL(`${name}${extname(import.meta.url)}`, import.meta.url));
}

/** Starts `node <module> <args>` with the given additions to the environment. It dies with the demo: its input is our pipe. */
export function startDemoProcess<Report>(
  module: string,
  args: readonly string[],
  env: Record<string, string | undefined>,
  onReport: (report: Report) => void = () => {},
): DemoProcess<Report> {
  const child: ChildProcess = spawn(process.execPath, [module, ...args], { env, stdio: ['pipe', 'pipe', 'pipe', 'ipc'] });
  const waiting = new Set<(report: Report) => void>();
  const complaints: string[] = [];
  const take = (report: Report): void => {
    onReport(report);
    for (const waiter of waiting) waiter(report);
  };
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (line.startsWith('{')) take(JSON.parse(line) as Report);
  });
  child.on('message', (message) => take(message as Report));
  createInterface({ input: child.stderr! }).on('line', (line) => {
    complaints.push(line);
    if (complaints.length > 40) complaints.shift();
  });
  child.stdin!.on('error', () => {});
  const ended = new Promise<number | NodeJS.Signals>((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code ?? 0)));
  return {
    pid: child.pid ?? 0,
    ended,
    send: (line) => void child.stdin!.write(`${JSON.stringify(line)}\n`),
    next: (matches) =>
      new Promise((resolve, reject) => {
        const waiter = (report: Report): void => {
          if (!matches(report)) return;
          waiting.delete(waiter);
          resolve(report);
        };
        waiting.add(waiter);
        void ended.then((how) => reject(new Error(`${module} ${args.join(' ')} ended (${how}):\n${complaints.join('\n')}`)));
      }),
    stop: async () => {
      child.stdin!.end();
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
