import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { processCpuUs } from '../cost/process-cpu.ts';

/** A process that bears load on command; see serve-load.ts for what it can be told. */
export interface LoadProcess<Answer> {
  readonly pid: number | undefined;
  /** One command at a time. Rejects when the process ends before its answer, or `signal` is aborted. */
  tell(command: string): Promise<Answer>;
  /** Processor time of the whole process so far. */
  cpuUs(): number | undefined;
  /** Lets it close what it holds, for at most `ms`. Idempotent. */
  close(ms?: number): Promise<void>;
  /** At once, as an accident would. */
  kill(): Promise<void>;
}

/** Starts a program and waits for its `ready`. It ends with this process: nobody else holds its standard input. */
export async function startLoadProcess<Answer>(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<LoadProcess<Answer>> {
  const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  exited.catch(() => {});
  // One that has gone is told of by its missing answer.
  child.stdin.on('error', () => {});
  const name = args.at(-1)?.slice(0, 60) ?? command;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  const onAbort = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', onAbort, { once: true });
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    signal.throwIfAborted();
    if (done === true) throw new Error(`${command} ${name} ended before it answered`);
    return value;
  };
  const ready = await next();
  if (ready !== 'ready') throw new Error(`${command} ${name} said ${ready}`);
  return {
    pid: child.pid,
    tell: async (line) => {
      child.stdin.write(`${line}\n`);
      return JSON.parse(await next()) as Answer;
    },
    cpuUs: () => processCpuUs(child.pid),
    close: async (ms = 20_000) => {
      signal.removeEventListener('abort', onAbort);
      child.stdin.end();
      const insist = setTimeout(() => child.kill('SIGKILL'), ms);
      if (child.exitCode === null && child.signalCode === null) await exited;
      clearTimeout(insist);
    },
    kill,
  };
}

/** A program of this folder, on this Node. */
export const startNodeLoad = <Answer>(file: URL, argument: object, signal: AbortSignal): Promise<LoadProcess<Answer>> =>
  startLoadProcess(process.execPath, [file.pathname, JSON.stringify(argument)], signal);
