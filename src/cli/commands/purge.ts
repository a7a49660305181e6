import { Command } from 'commander';
import { purgeTransactionMarkers } from '../../store/purge-transaction-markers.ts';
import { openDatabase } from '../compose.ts';
import { loadConfig } from '../config.ts';
import { wholeNumber } from '../whole-number.ts';

/** `checkback purge` */
export function purgeCommand(): Command {
  return new Command('purge')
    .description('removes transaction markers nobody can ask about any more; for listeners with transactionMarker(), once a day')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option(
      '--broker-retention-hours <hours>',
      "the broker's fileReservedTime: how long it keeps, and asks about, a half message",
      wholeNumber,
      72,
    )
    .action(async (flags: { config?: string; brokerRetentionHours: number }) => {
      const orm = await openDatabase(await loadConfig(flags.config));
      try {
        const purged = await purgeTransactionMarkers(orm, flags);
        process.stdout.write(`${purged} transaction markers removed\n`);
      } finally {
        await orm.close(true);
      }
    });
}
