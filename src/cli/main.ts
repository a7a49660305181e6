#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ConfigurationError } from '../errors.ts';
import { demoCommand } from './commands/demo.ts';
import { migrateCommand } from './commands/migrate.ts';
import { mockBankCommand } from './commands/mock-bank.ts';
import { purgeCommand } from './commands/purge.ts';
import { stackCommand } from './commands/stack.ts';
import { workerCommand } from './commands/worker.ts';
import { environment } from './config.ts';
import { packageVersion } from './package-root.ts';

const program = new Command('checkback')
  .description(
    'Changes MySQL rows and publishes a RocketMQ message as one decision; calls institutions without losing track of what happened.',
  )
  .version(packageVersion())
  .showHelpAfterError('(run with --help to see what is possible)')
  .addHelpText(
    'after',
    `
Start here:
  $ checkback demo                   four stories on real processes: paid, rolled back, crashed, unanswered
  $ checkback stack up               RocketMQ and a database on this machine
  $ checkback migrate up             the tables, in the database of the configuration
  $ checkback worker                 runs the message listeners of checkback.config.ts

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`,
  )
  .exitOverride();

for (const command of [demoCommand(), workerCommand(), migrateCommand(), purgeCommand(), stackCommand(environment), mockBankCommand()]) {
  program.addCommand(command.exitOverride());
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are errors of code 0; everything else of commander's is wrong usage.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.stderr.write(`checkback: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof ConfigurationError ? 2 : 1;
  }
}
