import { Command } from 'commander';
import { reconcileDeliveryCommand } from './reconcile-delivery.ts';
import { reconcileOpenCommand } from './reconcile-open.ts';
import { breaksCommand } from './reconcile-breaks.ts';
import { parkedCommand } from './reconcile-parked.ts';
import { statementCommand } from './reconcile-statement.ts';

/** `checkback reconcile open | delivery | parked | statement | breaks` */
export function reconcileCommand(): Command {
  const reconcile = new Command('reconcile')
    .description('compares what we have on record with what there should be, and repairs it')
    .addHelpText(
      'after',
      `
A run that was stopped or killed is taken up where it was by the same command with the same --since.

  $ checkback reconcile open
  $ checkback reconcile delivery --since 7d --dry-run
  $ checkback reconcile open --json --html report.html
  $ checkback reconcile statement bank-2026-01-31.csv
  $ checkback reconcile breaks list

Exit codes: 0 nothing is left open, 1 it failed (or was called wrongly) and can be run again, 2 something is left open or broken.`,
    );
  for (const command of [reconcileOpenCommand(), reconcileDeliveryCommand(), parkedCommand(), statementCommand(), breaksCommand()])
    reconcile.addCommand(command);
  return reconcile;
}
