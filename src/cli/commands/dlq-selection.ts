import { Argument, type Command } from 'commander';
import type { DeadLetter } from '../../dead-letter/dead-letter.ts';
import type { DeadLetterStore } from '../../dead-letter/dead-letter-store.ts';
import { ConfigurationError } from '../../errors.ts';
import { positive } from '../whole-number.ts';
import { filterOf, type FilterFlags, withFilters } from './dlq-filter.ts';

const PAGE = 100;

export interface SelectionFlags extends FilterFlags {
  readonly config?: string;
  readonly all?: boolean;
  readonly by?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** A command that decides about letters: by number, by filter, or about all. */
export const withSelection = (command: Command): Command =>
  withFilters(
    command.addArgument(new Argument('[ids...]', 'numbers of the letters; without, the filters say which').argParser(collectIds)),
    { limit: 1_000, reasonFlag: '--died-of' },
  )
    .option('--all', 'all that are OPEN; needed where there is neither a number nor a filter')
    .option('--by <name>', 'who decides, for the record; default: the user of the operating system')
    .option('--dry-run', 'says what would be done and does nothing')
    .option('-y, --yes', 'does not ask; needed where nobody can be asked')
    .option('--json', 'prints one JSON object a letter');

const collectIds = (text: string, before: number[] | undefined): number[] => [...(before ?? []), positive(text)];

/** The letters meant, by number and without their bodies; OPEN ones unless `--state` says otherwise. Throws `ConfigurationError` when nothing says which. */
export const select = async (store: DeadLetterStore, ids: readonly number[], flags: SelectionFlags): Promise<DeadLetter[]> => {
  const filter = filterOf(flags);
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  if (ids.length > 0) {
    if (isFiltered || flags.all) throw new ConfigurationError('name letters by number or by filter, not both');
    const letters = await Promise.all([...new Set(ids)].map((id) => store.find(id)));
    const missing = ids.filter((_id, index) => index < letters.length && letters[index] === undefined);
    if (missing.length > 0) throw new Error(`there is no dead letter ${missing.join(', ')}`);
    return letters.filter((letter) => letter !== undefined);
  }
  if (!isFiltered && !flags.all) throw new ConfigurationError('say which letters: numbers, filters, or --all');
  const found: DeadLetter[] = [];
  for (;;) {
    const limit = Math.min(PAGE, flags.limit - found.length);
    const page = limit === 0 ? [] : await store.list({ state: 'OPEN', ...dropUndefined(filter) }, { afterId: found.at(-1)?.id, limit });
    found.push(...page);
    if (page.length < PAGE) return found;
  }
};

const dropUndefined = (filter: object): object => Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));

export const counted = (count: number): string => `${count} dead ${count === 1 ? 'letter' : 'letters'}`;
