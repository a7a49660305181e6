import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { isAlive, signalProcess, type ProcessIdentity } from './process-identity.ts';
import { waitUntil } from './wait-until.ts';
import type { StackKind } from './stack.ts';
import type { StackProfile } from './rocketmq-profile.ts';

/** A server the supervisor started. */
type RecordedProcess = ProcessIdentity & { readonly name: string };

/** What is known about the stack of `up`, from its first process to `down`. */
export type StackState = {
  readonly version: 1;
  /** `starting`: nothing is usable yet. `ready`: all of it is. `failed`: it ended by itself, `failure` says why. */
  readonly phase: 'starting' | 'ready' | 'failed';
  readonly supervisor: ProcessIdentity;
  /** Torn down when this process is gone. */
  readonly owner?: ProcessIdentity | undefined;
  readonly profile: StackProfile;
  readonly startedAt: string;
  readonly logFile: string;
  readonly kind?: StackKind | undefined;
  readonly processes: readonly RecordedProcess[];
  /** Name of the compose project, when the stack runs in Docker. */
  readonly composeProject?: string | undefined;
  readonly endpoints?: string | undefined;
  readonly mysqlUrl?: string | undefined;
  readonly namesrvAddress?: string | undefined;
  readonly failure?: string | undefined;
};

/** Folder of one named stack. */
export type StackFolder = {
  readonly dir: string;
  readonly stateFile: string;
  readonly lockFile: string;
  readonly logFile: string;
  readonly dataDir: string;
};

/** Where the stack `name` is recorded. Throws `RangeError` on a name that could leave the folder. */
export function stackFolder(cacheDir: string, name: string): StackFolder {
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name))
    throw new RangeError(`the name of a stack must be 1–31 of a–z, 0–9 and -, got ${JSON.stringify(name)}`);
  const dir = join(cacheDir, 'stack', name);
  return {
    dir,
    stateFile: join(dir, 'state.json'),
    lockFile: join(dir, 'lock'),
    logFile: join(dir, 'supervisor.log'),
    dataDir: join(dir, 'data'),
  };
}

/** `undefined` when there is none, or none that can be read: an unreadable one proves nothing and ends nobody. */
export function readState(file: string): StackState | undefined {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as StackState;
    return state.version === 1 && Array.isArray(state.processes) && typeof state.supervisor.pid === 'number' ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces the file in one step: a reader sees the old state or the new one. */
export function writeState(file: string, state: StackState): void {
  mkdirSync(join(file, '..'), { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(draft, file);
}

/** Forgets the state. Harmless when there is none. */
export function removeState(file: string): void {
  rmSync(file, { force: true });
}

/** Whether the stack can be used now: its supervisor and every server it recorded are alive. */
export function isUsable(state: StackState): boolean {
  return state.phase === 'ready' && isAlive(state.supervisor) && state.processes.every(isAlive);
}

/**
 * Ends what a supervisor that is gone left behind, and resolves when it is gone too. Only the very processes that were
 * recorded: a pid that meanwhile belongs to somebody else is left alone. Gives the names of what it had to end.
 */
export async function endLeftovers(state: StackState): Promise<string[]> {
  // Killed, not asked: without its supervisor nobody needs what they hold in memory.
  const ended = state.processes.filter((recorded) => signalProcess(recorded, 'SIGKILL'));
  await waitUntil(
    async () => {
      const alive = ended.filter(isAlive);
      if (alive.length > 0) throw new Error(`still there: ${alive.map((recorded) => `${recorded.name} (pid ${recorded.pid})`).join(', ')}`);
    },
    { what: 'leftover processes to end', timeoutMs: 15_000, intervalMs: 20 },
  );
  if (state.composeProject !== undefined) await removeComposeProject(state.composeProject);
  return ended.map((recorded) => recorded.name);
}

/** Removes the containers, networks and volumes of a compose project by its name alone. Best effort: Docker itself may be gone. */
function removeComposeProject(project: string): Promise<void> {
  return new Promise((resolve) => {
    execFile('docker', ['compose', '-p', project, 'down', '--volumes', '--timeout', '5'], { timeout: 60_000 }, () => resolve());
  });
}
