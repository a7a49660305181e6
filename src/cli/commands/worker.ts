import { Command, Option } from 'commander';
import { cliLogger } from '../cli-logger.ts';
import { composeOps } from '../compose-ops.ts';
import { composeWorker } from '../compose-worker.ts';
import { loadConfig } from '../config.ts';
import { portNumber } from '../port-number.ts';
import { startMonitor } from '../telemetry/start-monitor.ts';
import { untilStopped } from '../until-stopped.ts';
import { wholeNumber } from '../whole-number.ts';

interface Flags {
  config?: string;
  concurrency?: number;
  drainMs: number;
  statusCheckAfterMs?: number;
  logLevel: string;
  metricsPort?: number;
  metricsHost?: string;
  opsPort?: number;
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
    .option('--metrics-port <n>', 'answers /metrics, /livez and /readyz there; default: nowhere', wholeNumber)
    .option('--metrics-host <host>', 'the address of that port; default 127.0.0.1')
    .option('--ops-port <n>', 'serves the ops page there, at "ops.host" of the configuration; default: nowhere', portNumber)
    .addOption(
      new Option('--log-level <level>', 'least important level to log').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .action(async (flags: Flags) => {
      // First of all: to process 1 of a container a signal that nobody handles yet is no signal.
      const stopped = untilStopped();
      const config = await loadConfig(flags.config);
      const logger = cliLogger({ level: flags.logLevel, name: `${config.owner}-worker` });
      const monitor = await startMonitor(config, { port: flags.metricsPort, host: flags.metricsHost });
      if (monitor.address !== undefined) logger.info(monitor.address, 'metrics and health');
      const worker = await composeWorker(config, logger, flags).catch(async (error: unknown) => {
        await monitor.close();
        throw error;
      });
      monitor.watch(worker.part);
      const ops =
        flags.opsPort === undefined
          ? undefined
          : await composeOps(config, logger, { port: flags.opsPort }).catch(async (error: unknown) => {
              await worker.close(0);
              await monitor.close();
              throw error;
            });
      if (ops !== undefined) logger.info({ url: ops.part.url }, 'ops page served');
      const names = (all: readonly { readonly name: string }[] = []): string[] => all.map(({ name }) => name);
      logger.info({ listeners: names(config.messageListeners), sagas: names(config.sagas), endpoints: config.endpoints }, 'worker started');
      process.send?.({ kind: 'ready' });
      const signal = await stopped;
      monitor.drain();
      logger.info({ signal, ...worker.part.worker?.stats() }, 'worker drains');
      await worker.close(flags.drainMs);
      await ops?.close();
      await monitor.close();
      logger.info({ ...worker.part.worker?.stats() }, 'worker stopped');
      process.disconnect?.();
    });
}
