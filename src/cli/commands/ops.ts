import { Command, Option } from 'commander';
import { cliLogger } from '../cli-logger.ts';
import { composeOps } from '../compose-ops.ts';
import { loadConfig } from '../config.ts';
import { untilStopped } from '../until-stopped.ts';
import { portNumber } from '../port-number.ts';

interface Flags {
  readonly config?: string;
  readonly port: number;
  readonly host?: string;
  readonly logLevel: string;
}

/** `checkback ops` */
export function opsCommand(): Command {
  return new Command('ops')
    .description('serves a page for the people on call: what waits for somebody, the story of every order, and what to do about it')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .requiredOption('--port <n>', 'port to listen at; 0 takes a free one', portNumber)
    .option('--host <address>', 'address to listen at; default "ops.host" of the configuration, then 127.0.0.1')
    .addOption(
      new Option('--log-level <level>', 'least important level to log').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .addHelpText(
      'after',
      `
On a loopback address whoever may open a port of this machine may use the page. Anywhere else it needs CHECKBACK_OPS_TOKEN
(16 characters at least), or "ops.token" or "ops.authenticate" in the configuration.`,
    )
    .action(async (flags: Flags) => {
      const config = await loadConfig(flags.config);
      const logger = cliLogger({ level: flags.logLevel, name: `${config.owner}-ops` });
      const stopped = untilStopped();
      const ops = await composeOps(config, logger, flags);
      logger.info({ url: ops.part.url }, 'ops page served');
      process.send?.({ kind: 'ready', url: ops.part.url });
      const signal = await stopped;
      await ops.close();
      logger.info({ signal }, 'ops page closed');
      process.disconnect?.();
    });
}
