import { Command, Option } from 'commander';
import { cliLogger } from '../cli-logger.ts';
import { composeWorker } from '../compose-worker.ts';
import { loadConfig } from '../config.ts';
import { untilStopped } from '../until-stopped.ts';
import { wholeNumber } from '../whole-number.ts';

interface Flags {
  config?: string;
  concurrency?: number;
  drainMs: number;
  statusCheckAfterMs?: number;
  logLevel: string;
}

/** `checkback worker` */
export function workerCommand(): Command {
  return new Command('worker')
    .description(
      'runs the message listeners, status checks and sagas of the configuration until SIGTERM or Ctrl-C, then drains; start as many as you like',
    )
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--concurrency <n>', 'deliveries worked at once by each listener; default 16', wholeNumber)
    .option('--drain-ms <ms>', 'how long running handlers may take to finish after SIGTERM', wholeNumber, 30_000)
    .option(
      '--status-check-after-ms <ms>',
      'for drills: asks after every unknown outcome that much later, whatever the calls say',
      wholeNumber,
    )
    .addOption(
      new Option('--log-level <level>', 'least important level to log').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .action(async (flags: Flags) => {
      const config = await loadConfig(flags.config);
      const logger = cliLogger({ level: flags.logLevel, name: `${config.owner}-worker` });
      const stopped = untilStopped();
      const worker = await composeWorker(config, logger, flags);
      const names = (all: readonly { readonly name: string }[] = []): string[] => all.map(({ name }) => name);
      logger.info({ listeners: names(config.messageListeners), sagas: names(config.sagas), endpoints: config.endpoints }, 'worker started');
      process.send?.({ kind: 'ready' });
      const signal = await stopped;
      logger.info({ signal, ...worker.part.worker?.stats() }, 'worker drains');
      await worker.close(flags.drainMs);
      logger.info({ ...worker.part.worker?.stats() }, 'worker stopped');
      process.disconnect?.();
    });
}
