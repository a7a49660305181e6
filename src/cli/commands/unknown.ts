import { Command } from 'commander';
import { ConfigurationError } from '../../errors.ts';
import type { HandResult } from '../../status-check/decide-by-hand.ts';
import { mysqlStatusReport } from '../../store/mysql-status-report.ts';
import { cliLogger } from '../cli-logger.ts';
import { withDatabase } from '../compose.ts';
import { decideUnknown } from '../decide-unknown.ts';
import { ago } from '../status/render-status.ts';
import { jsonArgument } from '../json-argument.ts';
import { positive } from '../whole-number.ts';
import { printable, say } from '../print.ts';
import { confirm } from '../confirm.ts';
import { decidedBy } from '../decided-by.ts';

/** `checkback unknown` */
export function unknownCommand(): Command {
  return new Command('unknown')
    .description('calls of unknown outcome that no status check could settle: a person finds out and says')
    .addCommand(listCommand())
    .addCommand(resolveCommand());
}

function listCommand(): Command {
  return new Command('list')
    .description('lists the calls that wait for a person, oldest record first, a page at a time')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--limit <n>', 'calls on a page', positive, 50)
    .option('--after <id>', 'begins after this number: the next page', positive)
    .option('--json', 'prints { calls, next }, next being what --after takes, or null')
    .action((flags: { config?: string; limit: number; after?: number; json?: true }) =>
      withDatabase(flags.config, async ({ orm }) => {
        // One more than asked for tells whether there is a next page.
        const page = { limit: Math.min(flags.limit, 999) + 1, ...(flags.after === undefined ? {} : { after: flags.after }) };
        const found = await mysqlStatusReport(orm).inReview(page);
        const calls = found.slice(0, page.limit - 1);
        const next = found.length > calls.length ? calls.at(-1)!.id : null;
        if (flags.json) return say(JSON.stringify({ calls, next }));
        for (const { id, callName, idempotencyKey, listener, unknownSince, checks, lastErrorCode, correlationId } of calls) {
          const age = ago(Date.now() - unknownSince.getTime());
          const asked = `asked ${checks} ${checks === 1 ? 'time' : 'times'}${lastErrorCode === undefined ? '' : `, last ${lastErrorCode}`}`;
          say(
            [
              String(id).padStart(6),
              printable(`${callName} ${idempotencyKey}`),
              listener,
              `unknown for ${age}`,
              asked,
              printable(correlationId),
            ].join('  '),
          );
        }
        if (calls.length === 0) process.stderr.write('no call waits for a person\n');
        if (next !== null) process.stderr.write(`there are more: --after ${next}\n`);
      }),
    );
}

/** What became of a decision, for a person. */
export const SAID: Record<HandResult, string> = {
  resolved: 'resolved',
  'not-on-record': 'there is no status check on record for this call and key',
  'not-unknown': 'it is not unknown (any more), or a request is on its way: nothing was changed',
  'unknown-listener': 'the configuration has no listener that makes this call: nothing was changed',
};

function resolveCommand(): Command {
  return new Command('resolve')
    .description("records what a person found out: the call's row moves, and onSuccess or onFail runs, in one transaction and once")
    .argument('<call>', 'name of the call, as "list" shows it')
    .argument('<key>', 'its idempotency key')
    .argument('<outcome>', 'SUCCESS or FAIL', (text: string) => {
      const outcome = text.toUpperCase();
      if (outcome !== 'SUCCESS' && outcome !== 'FAIL')
        throw new ConfigurationError(`the outcome must be SUCCESS or FAIL, got ${JSON.stringify(text)}`);
      return outcome;
    })
    .requiredOption('--reason <why>', 'how it was found out, for the record')
    .option('--by <who>', 'who decides; default: the user of the operating system')
    .option('--response <json>', 'what the institution would have answered, for onSuccess and onFail', jsonArgument)
    .option('--yes', 'does not ask for confirmation')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .action(
      (
        callName: string,
        idempotencyKey: string,
        to: 'SUCCESS' | 'FAIL',
        flags: { config?: string; reason: string; by?: string; response?: unknown; yes?: true },
      ) =>
        withDatabase(flags.config, async ({ config, orm }) => {
          if (!(await confirm(`record ${to} for call "${callName}" ${idempotencyKey}?`, flags.yes)))
            throw new Error('not confirmed: nothing was done');
          const decision = { callName, idempotencyKey, to, by: decidedBy(flags.by), reason: flags.reason, response: flags.response };
          const result = await decideUnknown(decision, { config, orm, logger: cliLogger({ level: 'error', name: config.owner }) });
          if (result !== 'resolved') throw new Error(SAID[result]);
          say(`${callName} ${idempotencyKey} is ${to}`);
        }),
    );
}
