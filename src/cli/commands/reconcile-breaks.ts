import { Command, Option } from 'commander';
import { ConfigurationError } from '../../errors.ts';
import { BREAK_KINDS, BREAK_STATES, type BreakKind, type BreakState } from '../../reconciliation/statement/break-state.ts';
import type { DecideBreakResult } from '../../reconciliation/statement/statement-store.ts';
import { mysqlStatementStore } from '../../store/mysql-reconciliation-break-store.ts';
import { withDatabase } from '../compose.ts';
import { confirm } from '../confirm.ts';
import { decidedBy } from '../decided-by.ts';
import { printable, say } from '../print.ts';
import { breakJson, breakLine, isLate } from '../reconciliation/statement-report.ts';
import { positive } from '../whole-number.ts';

/** `checkback reconcile breaks list | show | resolve | accept` */
export function breaksCommand(): Command {
  return new Command('breaks')
    .description("differences between institutions' statements and our rows, and what became of them")
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(decideCommand('resolve', 'RESOLVED', 'records that a difference is gone'))
    .addCommand(decideCommand('accept', 'ACCEPTED', 'records that a difference stays and is all right'));
}

interface ListFlags {
  readonly config?: string;
  readonly statement?: string;
  readonly day?: string;
  readonly kind?: BreakKind;
  readonly state: BreakState;
  readonly reference?: string;
  readonly limit: number;
  readonly after: number;
  readonly json?: true;
}

function listCommand(): Command {
  return new Command('list')
    .description('lists breaks by number, a page at a time')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--statement <name>', 'of this statement')
    .option('--day <date>', 'of this day')
    .addOption(new Option('--kind <kind>', 'of this kind').choices(BREAK_KINDS))
    .addOption(new Option('--state <state>', 'in this state').choices(BREAK_STATES).default('OPEN'))
    .option('--reference <key>', 'with this reference, the idempotency key of the call')
    .option('--limit <n>', 'this many at most', positive, 50)
    .option('--after <id>', 'begins after this number: the next page', positive, 0)
    .option('--json', 'prints { breaks, next }, next being what --after takes, or null')
    .action(({ config, limit, after, json, ...filter }: ListFlags) =>
      withDatabase(config, async ({ orm }) => {
        // One more than asked for tells whether there is a next page.
        const found = await mysqlStatementStore(orm).list(filter, { after, limit: limit + 1 });
        const breaks = found.slice(0, limit);
        const next = found.length > limit ? breaks.at(-1)!.id : null;
        if (json) return say(JSON.stringify({ breaks: breaks.map((one) => breakJson({ ...one, isLate: isLate(one) })), next }));
        for (const one of breaks) say(`${printable(`${one.statement} ${one.day}`)}  ${breakLine({ ...one, isLate: isLate(one) })}`);
        if (breaks.length === 0) process.stderr.write('no breaks\n');
        if (next !== null) process.stderr.write(`there are more: --after ${next}\n`);
      }),
    );
}

function showCommand(): Command {
  return new Command('show')
    .description('shows one break and its history; exit code 1 when there is none of that number')
    .argument('<id>', 'number of the break', positive)
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--json', 'prints one JSON object')
    .action((id: number, flags: { readonly config?: string; readonly json?: true }) =>
      withDatabase(flags.config, async ({ orm }) => {
        const store = mysqlStatementStore(orm);
        const [found] = await store.list({}, { after: id - 1, limit: 1 });
        if (found?.id !== id) throw new Error(`there is no break ${id}`);
        const history = await store.history(id);
        const shown = { ...found, isLate: isLate(found) };
        if (flags.json) return say(JSON.stringify({ ...breakJson(shown), history }));
        say(`${printable(`${found.statement} ${found.day}  ${found.standing.state}`)}  ${breakLine(shown)}`);
        for (const { at, action, by, why } of history) say(`  ${at.toISOString()}  ${action} by ${printable(by)}: ${printable(why)}`);
      }),
    );
}

interface DecideFlags {
  readonly config?: string;
  readonly reason: string;
  readonly by?: string;
  readonly yes?: true;
  readonly json?: true;
}

function decideCommand(name: string, to: 'RESOLVED' | 'ACCEPTED', description: string): Command {
  return new Command(name)
    .description(`${description}; recorded with who and why`)
    .argument('<ids...>', 'numbers of breaks')
    .requiredOption('--reason <why>', 'why, for the record')
    .option('--by <who>', 'who decides; default: the user of the operating system')
    .option('--yes', 'does not ask for confirmation')
    .option('--json', 'prints one JSON object a break')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .action((texts: string[], flags: DecideFlags) => {
      const ids = texts.map(positive);
      const why = flags.reason.trim();
      if (why === '') throw new ConfigurationError('--reason must say why');
      const decision = { by: decidedBy(flags.by), why };
      return withDatabase(flags.config, async ({ orm }) => {
        const store = mysqlStatementStore(orm);
        if (!(await confirm(`${name} ${ids.length === 1 ? `break ${ids[0]}` : `${ids.length} breaks`}?`, flags.yes)))
          throw new Error('not confirmed: nothing was done');
        for (const id of ids) {
          const result = await store.decide(id, to, decision);
          if (result.kind !== 'decided') process.exitCode = 1;
          say(flags.json ? JSON.stringify({ id, result: result.kind === 'decided' ? to : result.kind }) : `${id}  ${said(result, to)}`);
        }
      });
    });
}

/** What became of a decision, for a person. */
export const said = (result: DecideBreakResult, to: string): string => {
  switch (result.kind) {
    case 'decided':
      return to.toLowerCase();
    case 'refused':
      return `refused: it is ${result.state}`;
    case 'missing':
      return 'refused: there is none of that number';
  }
};
