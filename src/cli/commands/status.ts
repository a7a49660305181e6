import { Command } from 'commander';
import { mysqlStatusReport } from '../../store/mysql-status-report.ts';
import { withDatabase } from '../compose.ts';
import { environment } from '../config.ts';
import { readPoolStatus } from '../status/pool-status.ts';
import { renderStatus } from '../status/render-status.ts';

interface Flags {
  config?: string;
  namesrv?: string;
  json?: true;
}

/** `checkback status` */
export function statusCommand(): Command {
  return new Command('status')
    .description('one screen about the pool: workers, circuits, queues, unknown outcomes by age, dead letters, sagas')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--namesrv <host:port>', 'name server to ask how far each group is behind; default CHECKBACK_ROCKETMQ_NAMESRV')
    .option('--json', 'print one JSON object')
    .action((flags: Flags) =>
      withDatabase(flags.config, async ({ config, orm }) => {
        const namesrv = flags.namesrv ?? environment['CHECKBACK_ROCKETMQ_NAMESRV'];
        const status = await readPoolStatus(config, orm, mysqlStatusReport(orm), namesrv);
        process.stdout.write(flags.json ? `${JSON.stringify(status)}\n` : renderStatus(status));
      }),
    );
}
