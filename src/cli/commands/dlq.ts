import { Command } from 'commander';
import { dlqDecideCommand } from './dlq-decide.ts';
import { dlqListCommand } from './dlq-list.ts';
import { dlqReplayCommand } from './dlq-replay.ts';
import { dlqShowCommand } from './dlq-show.ts';

/** `checkback dlq list | show | replay | discard | resolve` */
export function dlqCommand(): Command {
  const dlq = new Command('dlq').description('dead letters: messages nobody could work, kept until somebody decides').addHelpText(
    'after',
    `
States: OPEN waits for a decision, REPLAYING is being sent again, REPLAYED is back in its topic, DISCARDED is given up,
RESOLVED has its business done. A REPLAYED letter is OPEN again when its message dies once more.

  $ checkback dlq list --state OPEN --listener charge-payment
  $ checkback dlq show 42 --body
  $ checkback dlq replay --group payment-workers --since 2026-01-31T08:00Z --dry-run
  $ checkback dlq discard 42 43 --reason "test orders"

Exit codes: 0 everything was done, 1 something failed or was refused, 2 wrong usage or configuration.`,
  );
  const commands = [
    dlqListCommand(),
    dlqShowCommand(),
    dlqReplayCommand(),
    dlqDecideCommand('discard', 'DISCARDED', 'gives messages up for good'),
    dlqDecideCommand('resolve', 'RESOLVED', 'records that the business of messages is done without them'),
  ];
  for (const command of commands) dlq.addCommand(command.exitOverride());
  return dlq;
}
