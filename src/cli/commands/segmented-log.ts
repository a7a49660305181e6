import { resolve } from 'node:path';
import { Command } from 'commander';
import { ConfigurationError } from '../../errors.ts';
import { nodeFileSystem } from '../../segmented-log/file-system.ts';
import { segmentedLog } from '../../segmented-log/segmented-log.ts';
import { type ShownSegmentedLog, showSegmentedLog } from '../../segmented-log/show-segmented-log.ts';
import { printable, say } from '../print.ts';
import { wholeNumber } from '../whole-number.ts';

interface ShowFlags {
  parked: number;
  json?: true;
}

/** `checkback segmented-log` */
export function segmentedLogCommand(): Command {
  return new Command('segmented-log')
    .description('what the log of the strategy localSegmentedOutbox has on this disk, and its parked messages')
    .addCommand(showCommand())
    .addCommand(resendCommand());
}

/** `checkback segmented-log show <directory>` */
const showCommand = (): Command =>
  new Command('show')
    .description('segments, messages that wait, what is damaged, parked messages with their reasons; changes nothing')
    .argument('<directory>', 'where the log is')
    .option('--parked <count>', 'parked messages to print', wholeNumber, 20)
    .option('--json', 'print one JSON object')
    .action(async (directory: string, flags: ShowFlags) => {
      const shown = await showSegmentedLog(nodeFileSystem, resolve(directory), flags.parked).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
          throw new ConfigurationError(`there is no directory ${resolve(directory)}`);
        throw error;
      });
      if (flags.json) say(JSON.stringify({ ...shown, parked: shown.parked.map(withoutBody) }));
      else render(shown);
    });

/** `checkback segmented-log resend <directory> <number...>` */
const resendCommand = (): Command =>
  new Command('resend')
    .description('appends parked messages again, behind everything else; the next drain sends them. Not while a process has the log open')
    .argument('<directory>', 'where the log is')
    .argument('<number...>', 'numbers of parked messages, as show prints them', (text: string, before: number[] | undefined) => [
      ...(before ?? []),
      wholeNumber(text),
    ])
    .action(async (directory: string, numbers: number[]) => {
      const log = segmentedLog({ directory: resolve(directory) });
      await showSegmentedLog(nodeFileSystem, resolve(directory), 0).catch(() => {
        throw new ConfigurationError(`there is no segmented log in ${resolve(directory)}`);
      });
      try {
        await log.start();
        for (const number of numbers) {
          if (!(await log.resend(number))) throw new ConfigurationError(`message ${number} is not parked in ${resolve(directory)}`);
          say(`${number} is appended again`);
        }
      } finally {
        await log.close();
      }
    });

const withoutBody = ({ message: { topic, tag, keys, properties, body }, ...parked }: ShownSegmentedLog['parked'][number]): object => ({
  ...parked,
  topic,
  tag,
  keys,
  transactionId: properties['checkback-tx'],
  bodyBytes: body.length,
});

const render = ({ directory, segments, waiting, parked, missingAtFront, drainedTo, isSound }: ShownSegmentedLog): void => {
  say(
    `${directory}: ${waiting} messages wait, ${drainedTo === undefined ? 'nothing says how far it is drained' : `drained to ${drainedTo}`}`,
  );
  if (missingAtFront > 0) say(`  MISSING  the segment with the ${missingAtFront} records from ${drainedTo} on`);
  for (const { name, bytes, messages, findings } of segments) {
    say(`  ${name}  ${bytes} bytes  ${messages} messages`);
    for (const { meaning, from, to, first, next } of findings)
      say(
        `    ${meaning === 'lost' ? 'DAMAGED' : meaning}  bytes ${from} to ${to}${next > first ? `, records ${first} to ${next - 1}` : ''}`,
      );
  }
  for (const { number, parkedAt, reason, message } of parked)
    say(`  parked ${number}  ${parkedAt.toISOString()}  ${message.topic}  ${printable(message.keys.join(' '))}  ${printable(reason)}`);
  if (!isSound) say("  It does not open as it is: records that were acknowledged are lost. Start once with onDamage: 'skip'.");
};
