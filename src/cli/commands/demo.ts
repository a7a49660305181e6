import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { environment } from '../config.ts';
import { startEmbeddedStack } from '../demo/embedded-stack.ts';
import { Narrator } from '../demo/narrator.ts';
import { type DemoStack, runDemo } from '../demo/run-demo.ts';
import { givenAddresses } from '../stack/given-stack.ts';
import { ownIdentity } from '../stack/process-identity.ts';
import { stackDown, stackUp } from '../stack/supervisor-client.ts';

interface Flags {
  keep?: true;
  stack: 'embedded' | 'auto' | 'native' | 'docker' | 'given';
}

const STACK_NAME = 'demo';
const CACHE_DIR = resolve('.cache');

/** `checkback demo` */
export function demoCommand(): Command {
  return new Command('demo')
    .description('four stories on real processes, one of them killed: paid, rolled back, crashed, unanswered')
    .option('--keep', 'leave what it ran on: the files, or the stack, which ends with: checkback stack down --name demo')
    .addOption(
      new Option(
        '--stack <kind>',
        'what to run on: the embedded broker and a SQLite file, or RocketMQ and MySQL; auto takes the first that works: given by the environment, docker, native',
      )
        .choices(['embedded', 'auto', 'given', 'docker', 'native'])
        .default('embedded'),
    )
    .action(async (flags: Flags) => {
      const narrator = new Narrator();
      const abort = new AbortController();
      const onSignal = (signal: NodeJS.Signals): void => abort.abort(new Error(`stopped by ${signal}`));
      process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
      const opened = await (flags.stack === 'embedded' ? embedded(flags, narrator) : real(flags, narrator, abort.signal));
      try {
        const allHeld = await runDemo(opened.stack, narrator, abort.signal);
        narrator.note(
          `\n${allHeld ? 'All four stories ended as they must' : 'NOT all stories ended as they must'} (${narrator.elapsedSeconds} s in all).`,
        );
        process.exitCode = allHeld ? 0 : 1;
      } finally {
        await opened.close();
      }
    });
}

interface OpenedStack {
  readonly stack: DemoStack;
  close(): Promise<void>;
}

async function embedded({ keep = false }: { keep?: boolean }, narrator: Narrator): Promise<OpenedStack> {
  const opened = await startEmbeddedStack(CACHE_DIR);
  const { folder, endpoints, databaseUrl } = opened;
  narrator.note('checkback demo, on the embedded broker, which speaks the protocol of RocketMQ, and a SQLite file.');
  narrator.note('The same on RocketMQ and MySQL: checkback demo --stack auto (here: npm run demo -- --stack auto).');
  narrator.note(`\nbroker ${endpoints} · database ${databaseUrl}`);
  return {
    stack: { endpoints, databaseUrl, database: 'SQLite', compileCache: join(folder, 'compiled') },
    close: async () => {
      await opened.close({ keepFiles: keep });
      if (keep) narrator.note(`kept: ${folder}`);
    },
  };
}

async function real({ keep, stack: kind }: Flags, narrator: Narrator, signal: AbortSignal): Promise<OpenedStack> {
  narrator.note('checkback demo: bringing up a broker and a database (the first time fetches them) …');
  const { state } = await stackUp({
    cacheDir: CACHE_DIR,
    name: STACK_NAME,
    kind: kind === 'native' || kind === 'docker' ? kind : 'auto',
    // The test profile asks back after a second instead of half a minute; nothing else about the protocol differs.
    profile: 'test',
    topics: [
      { name: 'orders', type: 'TRANSACTION' },
      { name: 'status-checks', type: 'DELAY' },
    ],
    groups: [
      { name: 'payment-workers', retryMaxTimes: 1_000 },
      { name: 'payment-workers-dlq-drain', retryMaxTimes: 1_000 },
      { name: 'checkback-status-checks', retryMaxTimes: 1_000 },
    ],
    keepData: false,
    transactionTimeOutMs: undefined,
    given: kind === 'native' || kind === 'docker' ? undefined : givenAddresses(environment),
    images: { rocketmq: environment['CHECKBACK_ROCKETMQ_IMAGE'], mysql: environment['CHECKBACK_MYSQL_IMAGE'] },
    owner: keep ? undefined : ownIdentity(),
    onProgress: (line) => narrator.step('stack', line),
    signal,
  });
  narrator.note(`\nbroker ${state.endpoints} · database ${state.mysqlUrl}`);
  return {
    stack: { endpoints: state.endpoints!, databaseUrl: state.mysqlUrl!, database: 'MySQL' },
    close: async () => {
      if (!keep) await stackDown(CACHE_DIR, STACK_NAME);
    },
  };
}
