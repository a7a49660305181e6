import { expect } from 'vitest';
import type { PoolStatus } from '../../../src/cli/status/pool-status.ts';
import { type CommandResult, runCheckback } from '../../cli/support/run-checkback.ts';
import { type TestProcess, startProcess } from '../../support/publishing-processes.ts';
import type { Shop } from '../../support/publishing-shop.ts';

/** For everything a test waits for: the machine may be busy. */
export const PATIENCE = { timeout: 90_000, interval: 100 };

/** What institutions see of the worker that makes a request, where a configuration sends it. */
export const WORKER_HEADER = 'x-worker';

/** One `checkback worker` process. */
export interface PooledWorker extends TestProcess<never> {
  readonly name: string;
  /** The lines of its log, oldest first. */
  log(): Record<string, unknown>[];
}

/** Processes of one configuration over one shop, and commands beside them. */
export interface WorkerPool {
  /** A worker that has started to receive. Ends with the shop. */
  start(name: string, options?: { flags?: readonly string[]; env?: Readonly<Record<string, string>> }): Promise<PooledWorker>;
  /** `checkback <args> --config …` */
  run(...args: string[]): Promise<CommandResult>;
  /** What a command that has to succeed prints as JSON: dates are text. */
  json<Printed>(...args: string[]): Promise<Printed>;
  status(): Promise<PoolStatus>;
}

/** `env` goes to every process, on top of the shop's own. */
export function openWorkerPool(shop: Shop, config: string, env: Readonly<Record<string, string>> = {}): WorkerPool {
  const common = Object.fromEntries(
    Object.entries({ ...shop.env, ...env }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const run = (...args: string[]): Promise<CommandResult> => runCheckback([...args, '--config', config], common);
  const json = async <Printed>(...args: string[]): Promise<Printed> => {
    const { code, stderr, stdout } = await run(...args, '--json');
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout) as Printed;
  };
  return {
    async start(name, { flags = [], env: own = {} } = {}) {
      const process = shop.use(
        startProcess<never>('src/cli/main.ts', ['worker', '--config', config, ...flags], {
          env: { ...common, CHECKBACK_TEST_WORKER: name, ...own },
        }),
      );
      await expect.poll(() => process.saidToStderr(), PATIENCE).toContain('worker started');
      // The last line may be half written.
      const lines = (): string[] => process.saidToStderr().split('\n').slice(0, -1);
      const log = (): Record<string, unknown>[] =>
        lines()
          .filter((line) => line.startsWith('{'))
          .map((line) => JSON.parse(line) as Record<string, unknown>);
      return Object.assign(process, { name, log });
    },
    run,
    json,
    status: () => json<PoolStatus>('status'),
  };
}
