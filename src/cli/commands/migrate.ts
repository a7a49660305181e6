import { Command } from 'commander';
import { withDatabase } from '../compose.ts';
import { say } from '../print.ts';

const ACTIONS = {
  up: 'applies every pending migration',
  down: 'takes the newest migration back, with its data',
  status: 'lists the migrations and which of them are applied; exit code 1 when some are pending',
};

/** `checkback migrate up | down | status` */
export function migrateCommand(): Command {
  const migrate = new Command('migrate').description("creates and changes the tables: the engine's and the configuration's");
  for (const [name, description] of Object.entries(ACTIONS)) {
    migrate
      .command(name)
      .description(description)
      .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
      .action(({ config: file }: { config?: string }) =>
        withDatabase(file, async ({ orm }) => {
          if (name === 'status') {
            const pending = await orm.migrator.getPending();
            for (const { name: done } of await orm.migrator.getExecuted()) say(`applied  ${done}`);
            for (const { name: missing } of pending) say(`pending  ${missing}`);
            process.exitCode = pending.length > 0 ? 1 : 0;
          } else {
            const done = name === 'up' ? await orm.migrator.up() : await orm.migrator.down();
            for (const migration of done) say(`${name === 'up' ? 'applied' : 'taken back'}  ${migration.name}`);
            if (done.length === 0) say(name === 'up' ? 'nothing to do: every migration is applied' : 'nothing to take back');
          }
        }),
      );
  }
  return migrate;
}
