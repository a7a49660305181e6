import { Command } from 'commander';
import { purgeProcessedMessages } from '../../store/mysql-processed-message-store.ts';
import { purgeTransactionMarkers } from '../../store/purge-transaction-markers.ts';
import { withDatabase } from '../compose.ts';
import { wholeNumber } from '../whole-number.ts';

interface Flags {
  config?: string;
  brokerRetentionHours: number;
  processedDays: number;
}

/** `checkback purge` */
export function purgeCommand(): Command {
  return new Command('purge')
    .description('removes transaction markers and records of processed messages that nobody can ask about any more; once a day')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option(
      '--broker-retention-hours <hours>',
      "the broker's fileReservedTime: how long it keeps, and asks about, a half message",
      wholeNumber,
      72,
    )
    .option('--processed-days <days>', 'how long a message that was handled may be delivered, or replayed, again', wholeNumber, 90)
    .action((flags: Flags) =>
      withDatabase(flags.config, async ({ orm }) => {
        const markers = await purgeTransactionMarkers(orm, flags);
        const processed = await purgeProcessedMessages(orm, { olderThanMs: flags.processedDays * 86_400_000 });
        process.stdout.write(`${markers} transaction markers and ${processed} records of processed messages removed\n`);
      }),
    );
}
