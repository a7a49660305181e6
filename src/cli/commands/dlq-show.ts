import { Command } from 'commander';
import type { DeadLetter } from '../../dead-letter/dead-letter.ts';
import type { DeadLetterAction } from '../../dead-letter/dead-letter-store.ts';
import { positive } from '../whole-number.ts';
import { printable, say } from '../print.ts';
import { bodyText, letterJson } from './dlq-print.ts';
import { withDeadLetters } from './dlq-session.ts';

interface Flags {
  readonly config?: string;
  readonly body?: boolean;
  readonly json?: boolean;
}

/** `checkback dlq show` */
export function dlqShowCommand(): Command {
  return new Command('show')
    .description('shows one dead letter, its errors and its history; exit code 1 when there is none of that number')
    .argument('<id>', 'number of the letter', positive)
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--body', 'with the body, which may hold secrets; in base64 when it is not plain text')
    .option('--json', 'prints one JSON object')
    .action((id: number, { config, body: withBody, json }: Flags) =>
      withDeadLetters(config, async ({ store }) => {
        const letter = await store.find(id);
        if (letter === undefined) throw new Error(`there is no dead letter ${id}`);
        const history = await store.history(id);
        const bytes = withBody ? await store.body(id) : undefined;
        const body = bytes && bodyText(bytes);
        if (json) return say(JSON.stringify({ ...letterJson(letter), history, ...(body && { body }) }));
        print(letter, history);
        if (body !== undefined) say(`\n${body.encoding === 'base64' ? '(base64) ' : ''}${body.text}`);
      }),
    );
}

function print(letter: DeadLetter, history: readonly DeadLetterAction[]): void {
  const { standing } = letter;
  const facts: [string, string | undefined][] = [
    ['state', standing.state === 'REPLAYING' ? `REPLAYING, lease ${leaseText(standing.leaseMs)}` : standing.state],
    ['topic', letter.topic],
    ['group', letter.group],
    ['listener', letter.listener],
    ['call', letter.callName],
    ['idempotency key', letter.idempotencyKey],
    ['message id', letter.messageId],
    ['tag', letter.tag],
    ['keys', letter.keys.join(' ')],
    ['born', letter.bornAt?.toISOString()],
    ['reason', `${letter.reason}: ${letter.reasonText}`],
    ['deliveries', String(letter.deliveryAttempts)],
    ['deaths', String(letter.deaths)],
    ['replays', String(letter.replays)],
    ['first failure', letter.firstFailedAt.toISOString()],
    ['last failure', letter.lastFailedAt.toISOString()],
    ['body', `${letter.bodyBytes} bytes, SHA-256 ${letter.bodySha256}`],
  ];
  say(`dead letter ${letter.id}`);
  for (const [name, value] of facts) if (value) say(`  ${name.padEnd(16)}${printable(value)}`);
  for (const [name, value] of Object.entries(letter.properties)) say(`  property        ${printable(`${name}=${value}`)}`);
  for (const { name, code, message } of letter.errorChain)
    say(`  error           ${printable(`${name}${code ? ` ${code}` : ''}: ${message}`)}`);
  for (const { action, by, at, why } of history)
    say(`  ${at.toISOString()}  ${action} by ${printable(by)}${why === undefined ? '' : `: ${printable(why)}`}`);
}

const leaseText = (leaseMs: number): string => (leaseMs > 0 ? `for ${Math.ceil(leaseMs / 1000)} s more` : 'over: its process died');
