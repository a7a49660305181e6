import { Command, Option } from 'commander';
import { type SagaDecisions, sagaDecisions } from '../../saga/saga-decisions.ts';
import type { SagaInstance } from '../../saga/saga-instance.ts';
import { SAGA_STATUSES, type SagaStatus } from '../../saga/saga-status.ts';
import { mysqlSagaStore } from '../../store/mysql-saga-store.ts';
import { withDatabase } from '../compose.ts';
import { positive } from '../whole-number.ts';
import { printable, say } from '../print.ts';
import { confirm } from '../confirm.ts';
import { decidedBy } from '../decided-by.ts';
import { jsonArgument } from '../json-argument.ts';

/** `checkback saga` */
export function sagaCommand(): Command {
  return new Command('saga')
    .description('sagas step by step, and what a person can do about a parked one')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(decisionCommand('retry', 'tries the step it is parked at again', (decisions, id, decider) => decisions.retry(id, decider)))
    .addCommand(resumeCommand())
    .addCommand(
      decisionCommand('abandon', 'ends it for good; what was done so far stays', (decisions, id, decider) =>
        decisions.abandon(id, decider),
      ),
    );
}

interface Flags {
  config?: string;
  json?: true;
}

function listCommand(): Command {
  return new Command('list')
    .description('lists sagas of one status, the one that stands still longest first')
    .addOption(new Option('--status <status>', 'which').choices([...SAGA_STATUSES]).default('PARKED'))
    .option('--limit <n>', 'sagas at most', positive, 100)
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--json', 'prints an array')
    .action((flags: Flags & { status: SagaStatus; limit: number }) =>
      withDatabase(flags.config, async ({ orm }) => {
        const sagas = await mysqlSagaStore(orm).list(flags.status, flags.limit);
        if (flags.json) return say(JSON.stringify(sagas));
        for (const { id, saga, version, status, stepName, direction, error, updatedAt } of sagas) {
          const at = stepName === undefined ? '-' : `${direction} of ${stepName}`;
          say([printable(id), `${saga} v${version}`, status, at, updatedAt.toISOString(), printable(error ?? '').slice(0, 120)].join('  '));
        }
        if (sagas.length === 0) process.stderr.write(`no saga is ${flags.status}\n`);
      }),
    );
}

function showCommand(): Command {
  return new Command('show')
    .description('shows one saga: its steps, what came of them, and what people decided')
    .argument('<id>', 'of the saga')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--json', 'prints one JSON object, with input and results, which may hold secrets')
    .action((id: string, flags: Flags) =>
      withDatabase(flags.config, async ({ orm }) => {
        const found = await mysqlSagaStore(orm).find(id);
        if (found === undefined) throw new Error(`there is no saga ${JSON.stringify(id)}`);
        if (flags.json) return say(JSON.stringify(found));
        say(`saga ${printable(id)}  ${found.saga} v${found.version}  ${found.status}  correlation ${printable(found.correlationId)}`);
        if (found.error !== undefined) say(`  error  ${printable(found.error)}`);
        for (const { step, name, direction, status, attempts, error } of found.steps) {
          const what = `${String(step + 1).padStart(3)}  ${direction.padEnd(12)}  ${name.padEnd(24)}  ${status.padEnd(8)}  ×${attempts}`;
          say(`${what}${error === undefined ? '' : `  ${printable(error)}`}`);
        }
        for (const { kind, by, why, at } of found.decisions) say(`  ${at.toISOString()}  ${kind} by ${printable(by)}: ${printable(why)}`);
      }),
    );
}

interface DecisionFlags extends Flags {
  by?: string;
  reason: string;
  yes?: true;
}

function decisionCommand(
  name: string,
  description: string,
  decide: (decisions: SagaDecisions, id: string, decider: { by: string; why: string }, flags: DecisionFlags) => Promise<SagaInstance>,
): Command {
  return new Command(name)
    .description(`${description}; recorded with who and why`)
    .argument('<id>', 'of a parked saga')
    .requiredOption('--reason <why>', 'why, for the record')
    .option('--by <who>', 'who decides; default: the user of the operating system')
    .option('--yes', 'does not ask for confirmation')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .action((id: string, flags: DecisionFlags) =>
      withDatabase(flags.config, async ({ config, orm }) => {
        if (!(await confirm(`${name} saga "${id}"?`, flags.yes))) throw new Error('not confirmed: nothing was done');
        const decisions = sagaDecisions(mysqlSagaStore(orm), config.sagas ?? []);
        await decide(decisions, id, { by: decidedBy(flags.by), why: flags.reason }, flags);
        say(`${name}: recorded for saga ${printable(id)}`);
      }),
    );
}

function resumeCommand(): Command {
  const command = decisionCommand('resume', 'goes on with the step it is parked at as ended', (decisions, id, decider, flags) => {
    const { outcome, result } = flags as DecisionFlags & { outcome: 'DONE' | 'FAILED'; result?: unknown };
    return decisions.resume(id, outcome === 'DONE' ? { ...decider, outcome, result } : { ...decider, outcome });
  });
  return command
    .addOption(new Option('--outcome <outcome>', 'how the step really ended').choices(['DONE', 'FAILED']).makeOptionMandatory())
    .option('--result <json>', 'what a step that is DONE would have kept for the steps after it', jsonArgument);
}
