import { Command } from 'commander';
import { positive } from '../whole-number.ts';
import { filterOf, type FilterFlags, withFilters } from './dlq-filter.ts';
import { say } from '../print.ts';
import { letterJson, letterLine } from './dlq-print.ts';
import { withDeadLetters } from './dlq-session.ts';

type Flags = FilterFlags & {
  readonly config?: string;
  readonly reason?: FilterFlags['diedOf'];
  readonly after?: number;
  readonly json?: boolean;
};

/** `checkback dlq list` */
export function dlqListCommand(): Command {
  const command = new Command('list').description('lists dead letters by number, a page at a time; never their bodies');
  return withFilters(command, { limit: 50, reasonFlag: '--reason' })
    .option('--after <id>', 'begins after this number: the next page', positive)
    .option('--json', 'prints { letters, next }, next being what --after takes, or null')
    .action(({ config, after, json, limit, reason, ...flags }: Flags) =>
      withDeadLetters(config, async ({ store }) => {
        const filter = filterOf({ ...flags, limit, ...(reason === undefined ? {} : { diedOf: reason }) });
        // One more than asked for tells whether there is a next page.
        const found = await store.list(filter, { afterId: after, limit: limit + 1 });
        const letters = found.slice(0, limit);
        const next = found.length > limit ? letters.at(-1)!.id : null;
        if (json) return say(JSON.stringify({ letters: letters.map(letterJson), next }));
        for (const letter of letters) say(letterLine(letter));
        if (letters.length === 0) process.stderr.write('no dead letters\n');
        if (next !== null) process.stderr.write(`there are more: --after ${next}\n`);
      }),
    );
}
