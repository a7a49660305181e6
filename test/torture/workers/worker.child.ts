/** A worker of the torture, in a process of its own: put together as `checkback worker` does it, unless it is built wrong on purpose. */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cliLogger } from '../../../src/cli/cli-logger.ts';
import { composeWorker } from '../../../src/cli/compose-worker.ts';
import { untilStopped } from '../../../src/cli/until-stopped.ts';
import { UNSAFE_VARIANTS } from '../unsafe/unsafe-variants.ts';
import { composeUnsafeWorker } from './compose-unsafe-worker.ts';
import { workerConfig } from './worker-config.ts';
import type { WorkerReport, WorkerSettings } from './worker-reports.ts';

const settings = JSON.parse(process.argv[2] ?? '') as WorkerSettings;
const file = openSync(settings.reportFile, 'a');
const report = (line: WorkerReport): void => void writeSync(file, `${JSON.stringify(line)}\n`);
for (const name of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(name, (error: unknown) =>
    report({
      kind: 'unhandled',
      message: `${settings.name}: ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    }),
  );
}

/** What a drain may take; the call's own time is shorter. */
const DRAIN_MS = 8_000;

const stopped = untilStopped();
let isStopped = false;
void stopped.then(() => (isStopped = true));
const config = workerConfig(settings);
const logger = cliLogger({ level: 'info', name: settings.name });
const variant = UNSAFE_VARIANTS.get(settings.unsafe ?? '')?.worker;

async function start(): Promise<{ close(deadlineMs?: number): Promise<void> } | undefined> {
  while (!isStopped) {
    try {
      return await (variant === undefined ? composeWorker(config, logger) : composeUnsafeWorker(config, logger, variant));
    } catch (error) {
      // Broker and database may not be there yet, or not any more.
      report({ kind: 'waiting', message: (error as Error).message });
      await sleep(500);
    }
  }
  return undefined;
}

const worker = await start();
if (worker !== undefined) report({ kind: 'ready' });
await stopped;
await worker?.close(DRAIN_MS);
