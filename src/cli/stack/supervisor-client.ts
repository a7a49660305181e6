import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { isAlive, ownIdentity, signalProcess } from './process-identity.ts';
import { siblingModule } from './project-files.ts';
import { rocketmqAdmin } from './rocketmq-admin.ts';
import { StackError } from './stack-error.ts';
import { takeLock } from './stack-lock.ts';
import { endLeftovers, isUsable, readState, removeState, stackFolder, type StackFolder, type StackState } from './stack-state.ts';
import type { HandOver, SupervisorJob, SupervisorMessage } from './supervisor-protocol.ts';
import { waitUntil } from './wait-until.ts';

/** What `up` is to do. */
export type UpOptions = Omit<SupervisorJob, 'launcher'> & { readonly onProgress?: (line: string) => void; readonly signal?: AbortSignal };

/** A stack that is up, and whether this `up` started it or found it. */
export type UpResult = { readonly state: StackState; readonly isNew: boolean };

/**
 * Starts the named stack under a supervisor that outlives us, or finds the one that is there and creates what it lacks.
 * Two at once: the second waits for the first. Aborting, or our death, ends what was started.
 */
export async function stackUp(options: UpOptions): Promise<UpResult> {
  const { onProgress, signal, ...job } = options;
  const folder = stackFolder(options.cacheDir, options.name);
  let isWaiting = false;
  const lock = await waitUntil(
    async () => {
      const taken = takeLock(folder.lockFile);
      if ('release' in taken) return taken;
      if (!isWaiting) onProgress?.(`another up (pid ${taken.heldBy.pid}) is at work: waiting for it`);
      isWaiting = true;
      throw new Error(`process ${taken.heldBy.pid} holds ${folder.lockFile}`);
    },
    { what: 'another up to finish', timeoutMs: 20 * 60_000, intervalMs: 200, signal },
  );
  try {
    const found = readState(folder.stateFile);
    // A stack named by other addresses than now is not the one that is asked for, and nothing of it is ours to keep.
    const isOther = found?.kind === 'given' && (found.endpoints !== options.given?.endpoints || found.mysqlUrl !== options.given?.mysqlUrl);
    if (found && isUsable(found) && !isOther) {
      await extend(found, options);
      return { state: found, isNew: false };
    }
    if (found) await clear(found, folder, onProgress);
    return { state: await launch({ ...job, launcher: ownIdentity() }, folder, onProgress, signal), isNew: true };
  } finally {
    lock.release();
  }
}

/** Ends the named stack. Resolves when all of it is gone; gives what was there. Harmless when there is none. */
export async function stackDown(cacheDir: string, name: string, onProgress?: (line: string) => void): Promise<StackState | undefined> {
  const folder = stackFolder(cacheDir, name);
  const found = readState(folder.stateFile);
  if (found) await clear(found, folder, onProgress);
  // A supervisor that dies while being started may have left a lock whose owner is gone: taking it and giving it back removes it.
  const lock = takeLock(folder.lockFile);
  if ('release' in lock) lock.release();
  return found;
}

/** What is on record, and whether it can be used now. */
export function stackStatus(cacheDir: string, name: string): { state: StackState | undefined; isUp: boolean } {
  const state = readState(stackFolder(cacheDir, name).stateFile);
  return { state, isUp: state !== undefined && isUsable(state) };
}

/** A production server writes out what it holds before it ends. */
const END_TIMEOUT_MS = 60_000;

async function clear(state: StackState, folder: StackFolder, onProgress: ((line: string) => void) | undefined): Promise<void> {
  const { supervisor } = state;
  if (signalProcess(supervisor, 'SIGTERM')) {
    // A stopped supervisor would never hear it.
    signalProcess(supervisor, 'SIGCONT');
    await waitUntil(
      async () => {
        if (isAlive(supervisor)) throw new Error(`supervisor ${supervisor.pid} is alive`);
      },
      { what: 'the supervisor to end its servers', timeoutMs: END_TIMEOUT_MS, intervalMs: 25 },
    ).catch(() => signalProcess(supervisor, 'SIGKILL'));
  }
  // Read again: it may have recorded another process while it was ending.
  const last = readState(folder.stateFile) ?? state;
  const leftovers = last.phase === 'failed' ? [] : await endLeftovers(last);
  if (leftovers.length > 0) onProgress?.(`ended what a killed supervisor left: ${leftovers.join(', ')}`);
  removeState(folder.stateFile);
}

/** Creates the topics and groups that this `up` names on a stack that is already there. */
async function extend(state: StackState, options: UpOptions): Promise<void> {
  if (state.profile !== options.profile)
    throw new StackError(`a stack with profile ${state.profile} is up, ${options.profile} was asked for: take it down first`);
  if (options.kind !== 'auto' && state.kind !== options.kind)
    throw new StackError(`a ${state.kind} stack is up, --${options.kind} was asked for: take it down first`);
  if (options.topics.length + options.groups.length === 0) return;
  if (state.namesrvAddress === undefined)
    throw new StackError('the stack that is up has no known name server: topics and groups cannot be created on it');
  const admin = rocketmqAdmin({ namesrv: state.namesrvAddress });
  try {
    for (const { name, type } of options.topics) await admin.createTopic(name, type);
    for (const { name, retryMaxTimes } of options.groups) await admin.createGroup(name, { retryMaxTimes });
  } finally {
    admin.close();
  }
}

async function launch(
  job: SupervisorJob,
  folder: StackFolder,
  onProgress: ((line: string) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<StackState> {
  signal?.throwIfAborted();
  mkdirSync(folder.dir, { recursive: true });
  const log = openSync(folder.logFile, 'w');
  const supervisor = spawn(process.execPath, [siblingModule('supervisor'), JSON.stringify(job)], {
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    supervisor.once('error', (error) => resolve(error.message));
    supervisor.once('exit', (code, killedBy) => resolve(killedBy ?? `code ${code}`));
  });
  const abort = (): void => void supervisor.kill('SIGTERM');
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const outcome = await new Promise<StackState | string>((resolve) => {
      let failure: string | undefined;
      supervisor.on('message', (message: SupervisorMessage) => {
        if (message.type === 'progress') onProgress?.(message.line);
        else if (message.type === 'ready') resolve(message.state);
        // Its reason comes first, its end when all it started is gone: wait for that.
        else failure = message.message;
      });
      void ended.then((how) => resolve(failure ?? `the supervisor ended (${how}) before the stack was ready; see ${folder.logFile}`));
    });
    if (typeof outcome === 'string') {
      const left = readState(folder.stateFile);
      if (left) await clear(left, folder, onProgress);
      signal?.throwIfAborted();
      throw new StackError(outcome);
    }
    if (signal?.aborted) {
      await ended;
      signal.throwIfAborted();
    }
    supervisor.send({ type: 'hand-over' } satisfies HandOver, () => supervisor.disconnect());
    supervisor.unref();
    return outcome;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
