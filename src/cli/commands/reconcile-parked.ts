import { Command, Option } from 'commander';
import { paced } from '../../shared/pace.ts';
import { ConfigurationError } from '../../errors.ts';
import { PARKED_FATES, type ParkedFate, type ParkedHalf, rescueParked } from '../../reconciliation/rescue-parked.ts';
import { cliLogger } from '../cli-logger.ts';
import { withDatabase } from '../compose.ts';
import { composeParkedRescue, correlationOf } from '../compose-parked-rescue.ts';
import { environment } from '../config.ts';
import { confirm } from '../confirm.ts';
import { decidedBy } from '../decided-by.ts';
import { instant } from '../instant.ts';
import { PARKED_TOPIC, parkedHalves } from '../parked-halves.ts';
import { perSecond } from '../per-second.ts';
import { printable, say } from '../print.ts';
import { htmlPage, tableRow, writePage } from '../reconciliation/html-page.ts';
import { startProgress } from '../reconciliation/progress.ts';
import { upTo } from '../whole-number.ts';
import { rocketmqAdmin } from '../stack/rocketmq-admin.ts';

interface Flags {
  readonly config?: string;
  readonly namesrv?: string;
  readonly topic?: string;
  readonly dryRun?: true;
  readonly since?: Date;
  readonly chunk: number;
  readonly rate: number;
  readonly yes?: true;
  readonly by?: string;
  readonly json?: true;
  readonly html?: string;
  readonly logLevel: string;
}

/** Lines of the page. */
const MAX_SHOWN = 1_000;

/** Fates after which somebody has something to do. */
const LEFT_OPEN: readonly ParkedFate[] = ['would-resume', 'unknown', 'failed'];

const SAYS: Readonly<Record<ParkedFate, string>> = {
  resumed: 'its transaction committed: sent again',
  'would-resume': 'its transaction committed: would be sent again',
  'resumed-before': 'was sent again before',
  delivered: 'its transaction committed, and a call is on record: it was delivered',
  'rolled-back': 'its transaction never committed: nothing to do',
  unknown: 'nobody can say yet',
  foreign: 'belongs to another service',
  failed: 'could not be sent',
};

/** `checkback reconcile parked` */
export function parkedCommand(): Command {
  return new Command('parked')
    .description('sends half messages again which the broker gave up asking about, where their transactions committed')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--namesrv <host:port>', 'name server of the cluster; default CHECKBACK_ROCKETMQ_NAMESRV')
    .option('--topic <topic>', 'of this topic')
    .option('--dry-run', 'only tells what would be done')
    .option('--since <time>', 'parked at or after this, ISO 8601, UTC when it names no zone', instant)
    .option('--chunk <n>', 'halves read from the broker at once', upTo(1_000), 32)
    .option('--rate <n>', 'messages a second at most', perSecond, 10)
    .option('--yes', 'does not ask for confirmation')
    .option('--by <who>', 'who decides; default the user of the operating system')
    .option('--json', 'one JSON object a line')
    .option('--html <file>', 'writes the report as a page too')
    .addOption(
      new Option('--log-level <level>', 'least important level to log').choices(['debug', 'info', 'warn', 'error']).default('warn'),
    )
    .addHelpText(
      'after',
      `
No consumer can read what is parked: it is read from the brokers themselves, at the addresses the name server gives (the
ports the brokers speak to each other on), and only this service's own is touched. The look-up of each listener says what became of the transaction. Exit code 0: nothing is left; 2: something is
left open; 1: the command failed.`,
    )
    .action((flags: Flags) => rescue(flags));
}

async function rescue(flags: Flags): Promise<void> {
  const namesrv = flags.namesrv ?? environment['CHECKBACK_ROCKETMQ_NAMESRV'];
  if (namesrv === undefined)
    throw new ConfigurationError('reconcile parked needs the name server: --namesrv or CHECKBACK_ROCKETMQ_NAMESRV');
  const by = decidedBy(flags.by);
  if (!flags.dryRun && !(await confirm('send again what was parked and committed?', flags.yes)))
    throw new Error('not confirmed: nothing was done');
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('stopped')));
  const admin = rocketmqAdmin({ namesrv });
  try {
    await withDatabase(flags.config, async ({ config, orm }) => {
      const composed = await composeParkedRescue(config, orm, cliLogger({ level: flags.logLevel, name: `${config.owner}-parked` }));
      const progress = startProgress('parked halves', await admin.maxOffset(PARKED_TOPIC));
      const told: Told[] = [];
      try {
        const counts = await rescueParked(
          {
            ...composed.part,
            halves: parkedHalves(admin.readTopic(PARKED_TOPIC, { chunk: flags.chunk, signal: stop.signal }), flags.topic),
            by,
            isDryRun: flags.dryRun ?? false,
            since: flags.since,
            turn: paced(flags.rate),
            onFate: (half, fate, why) => {
              progress.add(1);
              // The page shows what somebody has to look at, and not a line for each of thousands.
              if (LEFT_OPEN.includes(fate) && told.length < MAX_SHOWN) told.push({ half, fate, why });
              tell({ half, fate, why }, flags);
            },
          },
          stop.signal,
        );
        progress.stop();
        if (flags.html !== undefined) await writePage(flags.html, htmlPage('Parked half messages', asHtml(counts, told)));
        if (!flags.json)
          say(
            Object.entries(counts)
              .flatMap(([fate, count]) => (count === 0 ? [] : [`${count} ${fate}`]))
              .join(', ') || 'nothing is parked',
          );
        if (LEFT_OPEN.some((fate) => counts[fate] > 0)) process.exitCode = 2;
      } finally {
        progress.stop();
        await composed.close();
      }
    });
  } finally {
    admin.close();
  }
}

/** One half, and what became of it. */
interface Told {
  readonly half: ParkedHalf;
  readonly fate: ParkedFate;
  readonly why: string | undefined;
}

function tell({ half, fate, why }: Told, { json }: Flags): void {
  const { messageId, topic, parkedAt } = half;
  const correlationId = correlationOf(half);
  if (json) return say(JSON.stringify({ messageId, topic, correlationId, parkedAt, fate, ...(why === undefined ? {} : { why }) }));
  say(printable(`${messageId}  ${topic}  ${correlationId}  ${sentence(fate, why)}`));
}

const sentence = (fate: ParkedFate, why: string | undefined): string => `${SAYS[fate]}${why === undefined ? '' : `: ${why}`}`;

async function* asHtml(counts: Readonly<Record<ParkedFate, number>>, left: readonly Told[]): AsyncGenerator<string> {
  yield '<table>\n';
  for (const fate of PARKED_FATES) if (counts[fate] > 0) yield tableRow([counts[fate], SAYS[fate]]);
  yield '</table>\n<table><thead><tr><th>message</th><th>topic</th><th>correlation id</th><th>parked</th><th>what</th></tr></thead><tbody>\n';
  for (const { half, fate, why } of left)
    yield tableRow([half.messageId, half.topic, correlationOf(half), half.parkedAt.toISOString(), sentence(fate, why)]);
  yield '</tbody></table>\n';
}
