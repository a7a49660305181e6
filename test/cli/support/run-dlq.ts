import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { type CommandResult, runCheckback } from './run-checkback.ts';

/** Runs `checkback dlq …` to its end, with nobody at its standard input. */
export const runDlq = (args: readonly string[], env?: Record<string, string>): Promise<CommandResult> =>
  runCheckback(['dlq', ...args], env);

/** Starts it, to be killed. Its output is of no interest. */
export function startDlq(args: readonly string[], env: Record<string, string>): { child: ChildProcess; ended: Promise<unknown> } {
  const root = resolve(import.meta.dirname, '../../..');
  const child = spawn(process.execPath, [resolve(root, 'src/cli/main.ts'), 'dlq', ...args], {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'], ...env },
    cwd: root,
  });
  return { child, ended: new Promise((end) => child.once('close', end)) };
}
