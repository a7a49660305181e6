import { Command } from 'commander';
import type { DecideResult } from '../../dead-letter/dead-letter-store.ts';
import { discardDeadLetter, resolveDeadLetter } from '../../dead-letter/decide.ts';
import { ConfigurationError } from '../../errors.ts';
import { say } from '../print.ts';
import { letterLine } from './dlq-print.ts';
import { confirm } from '../confirm.ts';
import { counted, select, type SelectionFlags, withSelection } from './dlq-selection.ts';
import { decidedBy } from '../decided-by.ts';
import { withDeadLetters } from './dlq-session.ts';

/** `checkback dlq discard` and `checkback dlq resolve` */
export function dlqDecideCommand(name: 'discard' | 'resolve', to: 'DISCARDED' | 'RESOLVED', description: string): Command {
  return withSelection(new Command(name).description(`${description}; recorded with who and why`))
    .requiredOption('--reason <why>', 'why, for the record')
    .action((ids: number[] | undefined, flags: SelectionFlags & { readonly reason: string }) =>
      withDeadLetters(flags.config, async ({ store }) => {
        const reason = flags.reason.trim();
        if (reason === '') throw new ConfigurationError('--reason must say why');
        const decision = { by: decidedBy(flags.by), reason };
        const letters = await select(store, ids ?? [], flags);
        const tell = (id: number, result: object, line: string): void =>
          say(flags.json ? JSON.stringify({ id, ...result }) : `${id}  ${line}`);
        if (flags.dryRun) {
          for (const letter of letters) say(flags.json ? JSON.stringify({ id: letter.id, result: 'would' }) : letterLine(letter));
          return void process.stderr.write(`would ${name} ${counted(letters.length)}\n`);
        }
        if (letters.length === 0) return void process.stderr.write('no dead letters\n');
        if (!(await confirm(`${name} ${counted(letters.length)}?`, flags.yes))) throw new Error('not confirmed: nothing was done');
        for (const { id } of letters) {
          const result = await (to === 'DISCARDED' ? discardDeadLetter : resolveDeadLetter)(store, id, decision);
          if (result.kind !== 'decided') process.exitCode = 1;
          tell(
            id,
            { result: result.kind === 'decided' ? to : 'refused', ...('state' in result && { state: result.state }) },
            said(result, to),
          );
        }
      }),
    );
}

/** What became of a decision, for a person. */
export const said = (result: DecideResult, to: string): string => {
  switch (result.kind) {
    case 'decided':
      return to.toLowerCase();
    case 'in-flight':
      return `refused: a replay has claimed it for ${Math.ceil(result.leaseMs / 1000)} s more`;
    case 'refused':
      return `refused: it is ${result.state}`;
    case 'missing':
      return 'refused: it is gone';
  }
};
