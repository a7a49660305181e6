import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface ChildResult {
  /** `null` when it had to be killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one scenario of bare-client.child.ts in a process of its own. */
export function runBareChild(scenario: string, endpoints: string, env?: NodeJS.ProcessEnv): Promise<ChildResult> {
  return runChild(fileURLToPath(import.meta.resolve('./bare-client.child.ts')), [scenario, endpoints], env);
}

/** Runs one scenario of adapter.child.ts in a process of its own; it must end by itself. */
export function runAdapterChild(
  scenario: string,
  endpoints: string,
  { topic = 'orders', group = 'g', env }: { topic?: string; group?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<ChildResult> {
  return runChild(fileURLToPath(import.meta.resolve('./adapter.child.ts')), [scenario, endpoints, topic, group], env);
}

async function runChild(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ChildResult> {
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    timeout: 40_000,
    killSignal: 'SIGKILL',
  });
  const exit = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { code, stdout, stderr };
}
