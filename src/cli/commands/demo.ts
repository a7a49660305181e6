import { Command, Option } from 'commander';
import { environment } from '../config.ts';
import { Narrator } from '../demo/narrator.ts';
import { runDemo } from '../demo/run-demo.ts';
import { givenAddresses } from '../stack/given-stack.ts';
import { ownIdentity } from '../stack/process-identity.ts';
import { stackDown, stackUp } from '../stack/supervisor-client.ts';
import { resolve } from 'node:path';

interface Flags {
  keep?: true;
  stack: 'auto' | 'native' | 'docker' | 'given';
}

const STACK_NAME = 'demo';

/** `checkback demo` */
export function demoCommand(): Command {
  return new Command('demo')
    .description('four stories on real processes, a real broker and a real database: paid, rolled back, crashed, unanswered')
    .option('--keep', 'leave the stack up afterwards; end it with: checkback stack down --name demo')
    .addOption(
      new Option('--stack <kind>', 'what to run on; auto takes the first that works: given by the environment, docker, native')
        .choices(['auto', 'given', 'docker', 'native'])
        .default('auto'),
    )
    .action(async (flags: Flags) => {
      const narrator = new Narrator();
      const abort = new AbortController();
      const onSignal = (signal: NodeJS.Signals): void => abort.abort(new Error(`stopped by ${signal}`));
      process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
      const cacheDir = resolve('.cache');
      narrator.note('checkback demo: bringing up a broker and a database (the first time fetches them) …');
      const { state } = await stackUp({
        cacheDir,
        name: STACK_NAME,
        kind: flags.stack === 'native' || flags.stack === 'docker' ? flags.stack : 'auto',
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
        given: flags.stack === 'native' || flags.stack === 'docker' ? undefined : givenAddresses(environment),
        images: { rocketmq: environment['CHECKBACK_ROCKETMQ_IMAGE'], mysql: environment['CHECKBACK_MYSQL_IMAGE'] },
        owner: flags.keep ? undefined : ownIdentity(),
        onProgress: (line) => narrator.step('stack', line),
        signal: abort.signal,
      });
      try {
        narrator.note(`\nbroker ${state.endpoints} · database ${state.mysqlUrl}`);
        const allHeld = await runDemo({ endpoints: state.endpoints!, mysqlUrl: state.mysqlUrl! }, narrator, abort.signal);
        narrator.note(
          `\n${allHeld ? 'All four stories ended as they must' : 'NOT all stories ended as they must'} (${narrator.elapsedSeconds} s in all).`,
        );
        process.exitCode = allHeld ? 0 : 1;
      } finally {
        if (!flags.keep) await stackDown(cacheDir, STACK_NAME);
      }
    });
}
