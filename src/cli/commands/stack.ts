import { messageOf } from '../../shared/error-message.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import { resolve } from 'node:path';
import { ConfigurationError } from '../../errors.ts';
import { GIVEN_VARIABLES, givenAddresses } from '../stack/given-stack.ts';
import type { StackGroup, StackTopic } from '../stack/native-stack.ts';
import { identityOf, type ProcessIdentity } from '../stack/process-identity.ts';
import { TOPIC_TYPES, type TopicType } from '../stack/rocketmq-admin.ts';
import { STACK_PROFILES, type StackProfile } from '../stack/rocketmq-profile.ts';
import { stackDown, stackStatus, stackUp } from '../stack/supervisor-client.ts';
import type { StackState } from '../stack/stack-state.ts';

type Env = Readonly<Record<string, string | undefined>>;
type CommonFlags = { cacheDir: string; name: string };
type UpFlags = CommonFlags & {
  native?: true;
  docker?: true;
  profile: StackProfile;
  topic: StackTopic[];
  group: StackGroup[];
  transactionTimeout?: number;
  ownerPid?: ProcessIdentity;
  keepData?: true;
  json?: true;
};

/**
 * `checkback stack up | down | status`: a real RocketMQ and a real database for people, tests and benchmarks. Sets
 * `process.exitCode`: 0 done, 1 it failed (for `status`: it is not up), 2 wrong usage. Standard output holds the result
 * alone, progress goes to standard error.
 */
export function stackCommand(env: Env): Command {
  const command = new Command('stack')
    .description('Start, look at and end a local RocketMQ with a MySQL-compatible database.')
    .addHelpText('after', OVERVIEW)
    // Usage errors end with 2, so that scripts can tell them from a stack that did not start. Sub-commands inherit it.
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  const sub = (name: string): Command =>
    command
      .command(name)
      .addOption(new Option('--cache-dir <dir>', 'where downloads and the state are kept').default('.cache'))
      .addOption(new Option('--name <name>', 'several stacks side by side: which one').default('default'));

  sub('up')
    .description('Start the stack, or find the one that is up. Prints the addresses as lines to paste.')
    .addOption(
      new Option('--native', 'RocketMQ and MariaDB as plain processes; needs a JDK 17 and, the first time, Maven').conflicts('docker'),
    )
    .option('--docker', 'docker/compose.yaml; needs Docker with its compose plugin')
    .addOption(
      new Option('--profile <profile>', 'production: the recommended settings; test: check-backs within seconds, small heaps')
        .choices([...STACK_PROFILES])
        .default('production'),
    )
    .addOption(
      new Option('--topic <name:TYPE...>', `topics to create; TYPE is ${TOPIC_TYPES.join(', ')}`)
        .argParser(collect(parseTopic))
        .default([], 'none'),
    )
    .addOption(
      new Option('--group <name:retries...>', 'consumer groups to create; a message is delivered retries + 1 times')
        .argParser(collect(parseGroup))
        .default([], 'none'),
    )
    .addOption(
      new Option('--transaction-timeout <ms>', 'time until the first check-back (default: 30000, in test 1000)').argParser(
        parseMilliseconds,
      ),
    )
    .addOption(new Option('--owner-pid <pid>', 'end the stack when this process ends').argParser(parseOwner))
    .option('--keep-data', 'go on with the data of the last stack of this name; the same profile, please')
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', UP_EXAMPLES)
    .action((flags: UpFlags) => run(() => up(env, flags)));

  sub('down')
    .description('End the stack and everything it started. Harmless when there is none.')
    .action((flags: CommonFlags) =>
      run(async () => {
        const ended = await stackDown(resolve(flags.cacheDir), flags.name, say);
        say(ended ? `stack ${flags.name} is down` : `no stack ${flags.name} was up`);
      }),
    );

  sub('status')
    .description('Say whether the stack is up, and where. Exit code 0: it is.')
    .option('--json', 'print the state as one JSON object')
    .action((flags: CommonFlags & { json?: true }) =>
      run(async () => {
        const { state, isUp } = stackStatus(resolve(flags.cacheDir), flags.name);
        print(
          flags.json
            ? JSON.stringify({ up: isUp, ...(state && result(state)), ...(state && { phase: state.phase, failure: state.failure }) })
            : describe(flags.name, state, isUp),
        );
        if (!isUp) process.exitCode = 1;
      }),
    );
  return command;
}

async function up(env: Env, flags: UpFlags): Promise<void> {
  const cancel = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!cancel.signal.aborted) say(`${signal}: ending what was started`);
    cancel.abort(new Interrupted(signal));
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const kind = flags.native ? 'native' : flags.docker ? 'docker' : 'auto';
    const { state, isNew } = await stackUp({
      cacheDir: resolve(flags.cacheDir),
      name: flags.name,
      kind,
      profile: flags.profile,
      topics: flags.topic,
      groups: flags.group,
      keepData: flags.keepData ?? false,
      transactionTimeOutMs: flags.transactionTimeout,
      given: kind === 'auto' ? givenAddresses(env) : undefined,
      images: { rocketmq: env['CHECKBACK_ROCKETMQ_IMAGE'], mysql: env['CHECKBACK_MYSQL_IMAGE'] },
      owner: flags.ownerPid,
      onProgress: say,
      signal: cancel.signal,
    });
    say(isNew ? `stack ${flags.name} is up` : `stack ${flags.name} was up already (since ${state.startedAt})`);
    print(flags.json ? JSON.stringify({ new: isNew, ...result(state) }) : exportLines(state).join('\n'));
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** What a program wants to know. */
function result(state: StackState): Record<string, unknown> {
  const { kind, profile, endpoints, mysqlUrl, namesrvAddress, supervisor, processes, startedAt, logFile } = state;
  return {
    kind,
    profile,
    endpoints,
    mysqlUrl,
    namesrv: namesrvAddress,
    supervisorPid: supervisor.pid,
    processes: processes.map(({ name, pid }) => ({ name, pid })),
    startedAt,
    logFile,
  };
}

/** Ready to be pasted into a shell, or `eval`ed. */
function exportLines(state: StackState): string[] {
  const lines: [string, string | undefined][] = [
    [GIVEN_VARIABLES.endpoints, state.endpoints],
    [GIVEN_VARIABLES.mysqlUrl, state.mysqlUrl],
    [GIVEN_VARIABLES.namesrv, state.namesrvAddress],
  ];
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [`export ${name}='${value}'`]));
}

function describe(name: string, state: StackState | undefined, isUp: boolean): string {
  if (!state) return `stack ${name} is not up`;
  if (isUp) {
    const servers = state.processes.map((server) => `${server.name} (pid ${server.pid})`).join(', ');
    return [
      `stack ${name} is up: ${state.kind}, ${state.profile}, since ${state.startedAt}${servers && `; ${servers}`}`,
      ...exportLines(state),
    ].join('\n');
  }
  if (state.phase === 'failed') return `stack ${name} failed: ${state.failure ?? 'no reason on record'}\nsupervisor log: ${state.logFile}`;
  return `stack ${name} is ${state.phase === 'starting' ? 'starting, or was when its supervisor died' : 'broken: a process of it is gone'}; supervisor log: ${state.logFile}`;
}

class Interrupted extends Error {
  readonly exitCode: number;
  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.exitCode = 128 + ({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as Record<string, number>)[signal]!;
  }
}

async function run(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    say(messageOf(error));
    process.exitCode =
      error instanceof Interrupted ? error.exitCode : error instanceof ConfigurationError || error instanceof RangeError ? 2 : 1;
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

// --- options -----------------------------------------------------------------------------------------------------

const NAME = /^[A-Za-z0-9_%-]{1,127}$/;

/** `orders:TRANSACTION`. */
function parseTopic(text: string): StackTopic {
  const [name = '', type = '', ...rest] = text.split(':');
  if (!NAME.test(name) || rest.length > 0 || !(TOPIC_TYPES as readonly string[]).includes(type)) {
    throw new InvalidArgumentError(`A topic is name:TYPE with TYPE one of ${TOPIC_TYPES.join(', ')}, for example orders:TRANSACTION.`);
  }
  return { name, type: type as TopicType };
}

/** `payments:3`. */
function parseGroup(text: string): StackGroup {
  const [name = '', retries = '', ...rest] = text.split(':');
  if (!NAME.test(name) || rest.length > 0 || !/^\d{1,6}$/.test(retries))
    throw new InvalidArgumentError('A group is name:retries with a whole number, for example payments:3.');
  return { name, retryMaxTimes: Number(retries) };
}

function parseMilliseconds(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Whole milliseconds above 0, please.');
  return Number(text);
}

function parseOwner(text: string): ProcessIdentity {
  const identity = /^\d+$/.test(text) ? identityOf(Number(text)) : undefined;
  if (!identity) throw new InvalidArgumentError('There is no such process.');
  return identity;
}

/** Commander hands values over one at a time: gather them, starting anew from the shared default. */
function collect<T>(parse: (text: string) => T): (text: string, previous: T[]) => T[] {
  return (text, previous) => [...previous, parse(text)];
}

const OVERVIEW = `
Without --native or --docker the first that works is taken, in this order:
  1. the stack named by ${GIVEN_VARIABLES.endpoints} and ${GIVEN_VARIABLES.mysqlUrl}
     (and ${GIVEN_VARIABLES.namesrv}, when topics and groups are to be created)
  2. Docker, if docker info answers within 3 s; images: CHECKBACK_ROCKETMQ_IMAGE, CHECKBACK_MYSQL_IMAGE
  3. plain processes (native)
Everything listens on loopback, on ports that were free; nothing needs root.`;

const UP_EXAMPLES = `
Examples:
  checkback stack up --topic orders:TRANSACTION --group payments:3
  eval "$(checkback stack up --profile test)"      use it in this shell
  checkback stack up --owner-pid $$ --json         ends with the shell that asked for it`;
