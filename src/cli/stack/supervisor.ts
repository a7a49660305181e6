import { messageOf } from '../../shared/error-message.ts';
import { rmSync } from 'node:fs';
import { openStack } from './open-stack.ts';
import { identityOf, isAlive, ownIdentity } from './process-identity.ts';
import type { Stack } from './stack.ts';
import { releaseLock } from './stack-lock.ts';
import { removeState, stackFolder, writeState, type StackState } from './stack-state.ts';
import type { HandOver, SupervisorJob, SupervisorMessage } from './supervisor-protocol.ts';

/**
 * The process that owns the stack of `up` (run by supervisor-client.ts, never imported). Until `up` hands it over, the
 * stack lives and dies with `up`: the channel between them breaks when `up` is gone, however it went. After that it lives
 * until SIGTERM (`down`), the end of its owner process, or the unexpected end of one of its servers.
 */
async function supervise(job: SupervisorJob): Promise<void> {
  const folder = stackFolder(job.cacheDir, job.name);
  const startedAt = performance.now();
  const log = (line: string): void => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);
  const tell = (message: SupervisorMessage): void => {
    if (process.connected) process.send?.(message);
  };
  const progress = (line: string): void => {
    log(line);
    tell({ type: 'progress', line: `${((performance.now() - startedAt) / 1000).toFixed(1)} s  ${line}` });
  };

  const composeProject = `checkback-${job.name}-${process.pid}`;
  let state: StackState = {
    version: 1,
    phase: 'starting',
    supervisor: ownIdentity(),
    owner: job.owner,
    profile: job.profile,
    startedAt: new Date().toISOString(),
    logFile: folder.logFile,
    processes: [],
    composeProject,
  };
  const record = (change: Partial<StackState>): void => {
    state = { ...state, ...change };
    writeState(folder.stateFile, state);
  };
  record({});

  const starting = new AbortController();
  let stack: Stack | undefined;
  let ending: Promise<void> | undefined;
  /** Ends everything and the process. `failure` stays on record for `status`; without it nothing stays. */
  const end = (why: string, failure?: string): Promise<void> =>
    (ending ??= (async () => {
      log(`ending: ${why}`);
      starting.abort(new Error(why));
      await opened.catch(() => undefined);
      await stack?.close().catch((error: unknown) => log(`closing: ${messageOf(error)}`));
      if (failure === undefined) removeState(folder.stateFile);
      else record({ phase: 'failed', failure, processes: [], composeProject: undefined });
      releaseLock(folder.lockFile, job.launcher);
      log('ended');
      process.exit(failure === undefined ? 0 : 1);
    })());

  let isHandedOver = false;
  process.on('disconnect', () => {
    if (!isHandedOver) void end('the process that ran `up` is gone');
  });
  process.on('message', (message: HandOver) => {
    isHandedOver = message.type === 'hand-over';
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end(signal));
  if (job.owner) {
    const { owner } = job;
    setInterval(() => {
      if (!isAlive(owner)) void end(`its owner process ${owner.pid} is gone`);
    }, 500).unref();
  }

  // Wipes what the last stack left: other profiles have other file sizes, and a demo begins with an empty broker.
  if (!job.keepData) rmSync(folder.dataDir, { recursive: true, force: true });
  const opened = openStack({
    ...job,
    dataDir: folder.dataDir,
    composeProject,
    signal: starting.signal,
    onProgress: progress,
    onProcessStart: (name, pid) => {
      const identity = identityOf(pid);
      if (identity) record({ processes: [...state.processes.filter((known) => known.name !== name), { name, ...identity }] });
    },
    onUnexpectedExit: (reason) => {
      if (state.phase === 'ready') void end(reason, `${reason} at ${new Date().toISOString()}; see ${folder.dataDir}/log`);
    },
  });
  try {
    stack = await opened;
    if (ending) return;
    const { kind, endpoints, mysqlUrl, namesrvAddress } = stack;
    record({ phase: 'ready', kind, endpoints, mysqlUrl, namesrvAddress, composeProject: kind === 'docker' ? composeProject : undefined });
    log('ready');
    tell({ type: 'ready', state });
  } catch (error) {
    if (ending) return;
    log(`failed: ${messageOf(error)}`);
    tell({ type: 'failed', message: messageOf(error) });
    await end('it could not be started');
  }
  // Servers are not counted by the event loop, and the channel to `up` closes: this is what keeps us here.
  setInterval(() => undefined, 60_000);
}

const job = process.argv[2];
if (job === undefined || !process.connected) {
  process.stderr.write('this is run by `checkback stack up`\n');
  process.exit(2);
}
await supervise(JSON.parse(job) as SupervisorJob);
