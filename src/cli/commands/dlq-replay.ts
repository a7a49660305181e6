import { Command, Option } from 'commander';
import type { InquireCall } from '../../dead-letter/call-inquiry.ts';
import type { DeadLetter } from '../../dead-letter/dead-letter.ts';
import type { DeadLetterStore } from '../../dead-letter/dead-letter-store.ts';
import { previewReplay, replayDeadLetter, type ReplayResult } from '../../dead-letter/replay.ts';
import { paced } from '../../shared/pace.ts';
import { messageOf } from '../../shared/error-message.ts';
import { cliLogger } from '../cli-logger.ts';
import { printable, say } from '../print.ts';
import { perSecond } from '../per-second.ts';
import { confirm } from '../confirm.ts';
import { counted, select, type SelectionFlags, withSelection } from './dlq-selection.ts';
import { decidedBy } from '../decided-by.ts';
import { type DlqSession, withDeadLetters } from './dlq-session.ts';

interface Flags extends SelectionFlags {
  readonly to?: string;
  readonly force?: boolean;
  readonly rate: number;
  readonly logLevel: string;
}

/** `checkback dlq replay` */
export function dlqReplayCommand(): Command {
  return withSelection(
    new Command('replay').description('sends messages to their topic again: same keys, properties and body, so the same idempotency key'),
  )
    .option('--reason <why>', 'why, for the record')
    .option('--to <topic>', 'where to, for messages the broker gave up: its dead-letter queue does not say which topic they came from')
    .option('--force', 'also where the call is on record as done, or nobody knows what became of it')
    .option('--rate <n>', 'messages a second at most', perSecond, 10)
    .addOption(
      new Option('--log-level <level>', 'least important level to log').choices(['debug', 'info', 'warn', 'error']).default('warn'),
    )
    .addHelpText(
      'after',
      `
Before a message is sent, its call is looked up: SUCCESS or FAIL on record is refused, and where the outcome is unknown the
institution is asked first. Every consumer group of the topic is given the message again. Into a TRANSACTION topic it goes as
a half message and its COMMIT.`,
    )
    .action((ids: number[] | undefined, flags: Flags) => withDeadLetters(flags.config, (session) => replay(session, ids ?? [], flags)));
}

async function replay(session: DlqSession, ids: readonly number[], flags: Flags): Promise<void> {
  const { store } = session;
  const by = decidedBy(flags.by);
  const letters = await select(store, ids, flags);
  if (flags.dryRun) return preview(store, letters, flags, session.inquiry(asksNobody));
  if (letters.length === 0) return void process.stderr.write('no dead letters\n');
  if (!(await confirm(`replay ${counted(letters.length)}?`, flags.yes))) throw new Error('not confirmed: nothing was done');
  const logger = cliLogger({ level: flags.logLevel, name: `${session.config.owner}-dlq` });
  const sender = session.openSender(logger);
  const stop = new AbortController();
  // The letter in hand is finished; a second Ctrl-C ends the process, and its claim ends by itself.
  process.once('SIGINT', () => stop.abort(new Error('stopped')));
  const shared = {
    store,
    sender,
    inquire: session.inquiry(await session.openAsking(logger)),
    force: flags.force,
    topic: flags.to,
    by,
    reason: flags.reason,
    logger,
  };
  try {
    const turn = paced(flags.rate);
    for (const { id } of letters) {
      await turn(stop.signal).catch(() => {});
      if (stop.signal.aborted) throw new Error(`stopped before dead letter ${id}`);
      const result = await replayDeadLetter(id, shared);
      tell(id, result, flags);
      if (result.kind === 'refused' || result.kind === 'failed') process.exitCode = 1;
    }
  } finally {
    await sender.close();
  }
}

const asksNobody = async (): Promise<never> => {
  throw new Error('a dry run asks nobody');
};

async function preview(store: DeadLetterStore, letters: readonly DeadLetter[], flags: Flags, inquire: InquireCall): Promise<void> {
  for (const { id } of letters) {
    const verdict = await previewReplay(id, { store, inquire, force: flags.force, topic: flags.to });
    if (flags.json) say(JSON.stringify({ id, result: 'topic' in verdict ? 'would' : 'refused', ...verdict }));
    else say(`${id}  ${'topic' in verdict ? `would go to ${verdict.topic}` : `would be refused: ${printable(verdict.fact)}`}`);
  }
  process.stderr.write(`looked at ${counted(letters.length)}; nothing was sent\n`);
}

function tell(id: number, result: ReplayResult, { json }: Flags): void {
  const { kind, ...rest } = result.kind === 'failed' ? { kind: result.kind, acted: result.acted, error: messageOf(result.error) } : result;
  if (json) return say(JSON.stringify({ id, result: kind, ...rest }));
  say(`${id}  ${printable(sentence(result))}`);
}

/** What became of a replay, for a person. */
export const sentence = (result: ReplayResult): string => {
  switch (result.kind) {
    case 'replayed':
      return `replayed to ${result.topic}`;
    case 'resolved':
      return `resolved, not replayed: ${result.fact}`;
    case 'refused':
      return `refused: ${result.fact}`;
    case 'failed':
      return `failed, ${result.acted === 'maybe' ? 'it may be delivered nevertheless' : 'nothing was sent'}: ${messageOf(result.error)}`;
  }
};
