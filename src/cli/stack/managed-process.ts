import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { runAfterOurDeath } from './lifeline.ts';
import { StackError } from './stack-error.ts';
import { waitUntil } from './wait-until.ts';

/** One server of the stack. Fault tests kill, freeze and restart it; port and data stay the same. */
export type ManagedProcess = {
  readonly name: string;
  /** `undefined` while it does not run. */
  readonly pid: number | undefined;
  readonly running: boolean;
  /** Sends a signal (`SIGKILL`, `SIGSTOP`, `SIGCONT`, …) and does not wait. False when it does not run. */
  kill(signal: NodeJS.Signals): boolean;
  /** Resolves when the server is usable, not merely started. Harmless when it runs already. Rejects with `StackError` carrying the end of its log. */
  start(signal?: AbortSignal): Promise<void>;
  /** Asks it to end, insists after a while, resolves when it is gone. Idempotent; also wakes a frozen process. */
  stop(): Promise<void>;
  /** Resolves when it does not run (any more): what to wait for after `kill('SIGKILL')`. */
  waitForExit(): Promise<void>;
};

/** What a process is made of. */
export type ManagedProcessOptions = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Standard output and error are appended here. */
  readonly logFile: string;
  /** Done before each start of a process that does not run, for example to lay out its data folder. */
  readonly prepare?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** Resolves when the server can be used; called again and again until it does. */
  readonly isUsable: (signal: AbortSignal | undefined) => Promise<void>;
  readonly startTimeoutMs: number;
  /** Time between SIGTERM and SIGKILL in `stop()`. 0 kills at once. */
  readonly stopTimeoutMs: number;
  readonly onStart?: ((pid: number) => void) | undefined;
  /** It ended although nobody asked for it through this handle. */
  readonly onUnexpectedExit?: ((reason: string) => void) | undefined;
};

/** A process under our control that cannot outlive us. Nothing runs before `start()`. */
export function managedProcess(options: ManagedProcessOptions): ManagedProcess {
  const { name, logFile } = options;
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();
  let lastExit = '';
  let isAskedToEnd = false;

  const launch = (): void => {
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    isAskedToEnd = false;
    // Its own process group: a Ctrl-C in the terminal must reach us alone, we end the rest in order.
    const started = spawn(options.command, options.args, { cwd: options.cwd, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    child = started;
    const callOff = started.pid === undefined ? undefined : runAfterOurDeath(`kill -9 -${started.pid}`);
    exited = new Promise((resolve) => {
      const onEnd = (reason: string): void => {
        if (child !== started) return;
        child = undefined;
        lastExit = reason;
        callOff?.();
        resolve();
        if (!isAskedToEnd) options.onUnexpectedExit?.(`${name} ${reason}`);
      };
      started.once('error', (error) => onEnd(`could not be run: ${error.message}`));
      started.once('exit', (code, signal) => onEnd(signal ? `was ended by ${signal}` : `exited with code ${code}`));
    });
    started.unref();
    if (started.pid !== undefined) options.onStart?.(started.pid);
  };

  const send = (signal: NodeJS.Signals): boolean => {
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') isAskedToEnd = true;
    return child?.kill(signal) ?? false;
  };

  const stop = async (): Promise<void> => {
    if (!child) return;
    send('SIGCONT');
    send(options.stopTimeoutMs > 0 ? 'SIGTERM' : 'SIGKILL');
    const insist = setTimeout(() => send('SIGKILL'), options.stopTimeoutMs);
    await waitForExit();
    clearTimeout(insist);
  };

  // Children are not counted by the event loop (see unref): the timer keeps it turning while somebody waits.
  const waitForExit = async (): Promise<void> => {
    const awake = setInterval(() => undefined, 1000);
    await exited;
    clearInterval(awake);
  };

  const start = async (signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    if (!child) {
      await options.prepare?.(signal);
      launch();
    }
    const ended = new AbortController();
    void exited.then(() => ended.abort(new StackError(`${name} ${lastExit} before it was usable; ${logTail(logFile)}`)));
    const either = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal;
    await waitUntil(options.isUsable, {
      what: `${name} to be usable (log: ${logFile})`,
      timeoutMs: options.startTimeoutMs,
      signal: either,
    });
  };

  return {
    name,
    get pid() {
      return child?.pid;
    },
    get running() {
      return child !== undefined;
    },
    kill: send,
    start,
    stop,
    waitForExit,
  };
}

/** The last lines of a log, for an error message. */
function logTail(file: string): string {
  try {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8);
    return `the end of ${file}:\n${lines.join('\n')}`;
  } catch {
    return `its log ${file} is empty`;
  }
}
