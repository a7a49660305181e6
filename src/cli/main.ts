#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ConfigurationError } from '../errors.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { migrateCommand } from './commands/migrate.ts';
import { mockBankCommand } from './commands/mock-bank.ts';
import { dlqCommand } from './commands/dlq.ts';
import { opsCommand } from './commands/ops.ts';
import { purgeCommand } from './commands/purge.ts';
import { reconcileCommand } from './commands/reconcile.ts';
import { sagaCommand } from './commands/saga.ts';
import { segmentedLogCommand } from './commands/segmented-log.ts';
import { stackCommand } from './commands/stack.ts';
import { statusCommand } from './commands/status.ts';
import { unknownCommand } from './commands/unknown.ts';
import { workerCommand } from './commands/worker.ts';
import { environment } from './config.ts';
import { packageVersion } from './package-root.ts';

/** Errors are thrown to us, by commands of commands too: how the process ends is decided in one place. */
function withoutExit(command: Command): Command {
  for (const nested of command.commands) withoutExit(nested);
  return command.exitOverride();
}

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
  $ checkback doctor                 looks at the installation, and says what to do about what it finds
  $ checkback worker                 runs the listeners, status checks and sagas of checkback.config.ts
  $ checkback status                 one screen about the pool
  $ checkback ops --port 8090        a page for the people on call
  $ checkback unknown list           calls of unknown outcome that wait for a person
  $ checkback dlq list               dead letters, and what to do about them
  $ checkback saga list              parked sagas, and what to do about them
  $ checkback reconcile open         asks after every call that is open, and reports what is left

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`,
  )
  .exitOverride();

for (const command of [
  demoCommand(),
  workerCommand(),
  doctorCommand(),
  statusCommand(),
  opsCommand(),
  unknownCommand(),
  dlqCommand(),
  sagaCommand(),
  reconcileCommand(),
  segmentedLogCommand(),
  migrateCommand(),
  purgeCommand(),
  stackCommand(environment),
  mockBankCommand(),
]) {
  program.addCommand(withoutExit(command));
}

// Of reconciliations 2 says that something is left open.
const WRONGLY_CALLED = process.argv[2] === 'reconcile' ? 1 : 2;

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are errors of code 0; everything else of commander's is wrong usage.
    process.exitCode = error.exitCode === 0 ? 0 : WRONGLY_CALLED;
  } else {
    process.stderr.write(`checkback: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof ConfigurationError ? WRONGLY_CALLED : 1;
  }
}
