import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readState, stackFolder, type StackState } from '../../../src/cli/stack/stack-state.ts';
import { waitUntil } from '../../../src/cli/stack/wait-until.ts';

/** The cache of the repository: programs are unpacked there once. */
const CACHE_DIR = resolve(import.meta.dirname, '../../../.cache');

/** What a run of the command line came to. */
export type CliResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs `checkback stack …` as people do, in a process of its own. */
export function runStackCli(
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): { readonly child: ChildProcess; readonly done: Promise<CliResult> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'stack-main.ts'), 'stack', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: env ?? process.env,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const done = new Promise<CliResult>((settle) => child.once('close', (code) => settle({ code, stdout, stderr })));
  return { child, done };
}

/** A stack of one test, by name, and ways to look at it from outside. */
export function namedStack(name: string): {
  readonly flags: readonly string[];
  readonly folder: ReturnType<typeof stackFolder>;
  state(): StackState | undefined;
  /** Resolves when the supervisor has recorded that many servers. */
  untilStarted(servers: number): Promise<StackState>;
  /** Command lines of all living processes that belong to it: supervisor, servers, lifelines. */
  processes(): string[];
  untilNoProcess(): Promise<void>;
  remove(): void;
} {
  const folder = stackFolder(CACHE_DIR, name);
  const seen = new Set<number>();
  const state = (): StackState | undefined => {
    const found = readState(folder.stateFile);
    for (const { pid } of found?.processes ?? []) seen.add(pid);
    return found;
  };
  const processes = (): string[] => {
    state();
    const isOurs = (line: string): boolean =>
      line.includes(folder.dir) || line.includes(`"name":"${name}"`) || [...seen].some((pid) => line.includes(`kill -9 -${pid};`));
    return commandLines().filter((line) => isOurs(line) && !line.includes('stack-main.ts'));
  };
  return {
    flags: ['--cache-dir', CACHE_DIR, '--name', name],
    folder,
    state,
    processes,
    untilStarted: (servers) =>
      waitUntil(
        async () => {
          const found = state();
          if (!found || found.processes.length < servers) throw new Error(`${found?.processes.length ?? 'no'} servers`);
          return found;
        },
        { what: `${servers} servers to be started`, timeoutMs: 60_000, intervalMs: 20 },
      ),
    untilNoProcess: () =>
      waitUntil(
        async () => {
          const alive = processes();
          if (alive.length > 0) throw new Error(alive.map((line) => line.slice(0, 120)).join('\n'));
        },
        { what: 'all processes to end', timeoutMs: 15_000, intervalMs: 50 },
      ),
    remove: () => rmSync(folder.dir, { recursive: true, force: true }),
  };
}

/** Of everything that runs here. Zombies have none. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return line === '' ? [] : [line];
      } catch {
        return [];
      }
    });
}
