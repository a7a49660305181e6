import { Command, Option } from 'commander';
import { cliLogger } from '../cli-logger.ts';
import { composeWorker } from '../compose.ts';
import { loadConfig } from '../config.ts';
import { untilStopped } from '../until-stopped.ts';
import { wholeNumber } from '../whole-number.ts';

interface Flags {
  config?: string;
  concurrency?: number;
  drainMs: number;
  logLevel: string;
}

/** `checkback worker` */
export function workerCommand(): Command {
  return new Command('worker')
    .description('runs the message listeners of the configuration until SIGTERM or Ctrl-C, then drains; start as many as you like')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--concurrency <n>', 'deliveries worked at once by each listener; default 16', wholeNumber)
    .option('--drain-ms <ms>', 'how long running handlers may take to finish after SIGTERM', wholeNumber, 30_000)
    .addOption(
      new Option('--log-level <level>', 'least important level to log').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .action(async (flags: Flags) => {
      const config = await loadConfig(flags.config);
      const logger = cliLogger({ level: flags.logLevel, name: `${config.owner}-worker` });
      const stopped = untilStopped();
      const worker = await composeWorker(config, logger, flags.concurrency === undefined ? {} : { concurrency: flags.concurrency });
      logger.info({ listeners: config.messageListeners?.map(({ name }) => name), endpoints: config.endpoints }, 'worker started');
      process.send?.({ kind: 'ready' });
      const signal = await stopped;
      logger.info({ signal, ...worker.part.stats() }, 'worker drains');
      await worker.close(flags.drainMs);
      logger.info(worker.part.stats(), 'worker stopped');
      process.disconnect?.();
    });
}
