import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAIN = resolve(import.meta.dirname, '../../../src/cli/main.ts');

/** Runs the `checkback` command as people do, in a process of its own. The environment is only what is given, PATH, and where compiled code is kept. */
export function runCheckback(args: readonly string[], env: Record<string, string> = {}, cwd?: string): Promise<CommandResult> {
  return new Promise((done) => {
    const { PATH, NODE_COMPILE_CACHE = '' } = process.env;
    const options = { env: { PATH, NODE_COMPILE_CACHE, ...env }, cwd: cwd ?? resolve(import.meta.dirname, '../../..') };
    execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });
}
