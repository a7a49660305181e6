import { parseArgs } from 'node:util';
import { type TortureResult, torture } from './torture.ts';
import { UNSAFE_VARIANTS } from './unsafe/unsafe-variants.ts';

const USAGE = `npm run torture -- [--seconds N] [--seed S] [--orders N] [--producers N] [--steady | --unsafe NAME | --control NAME] [--list-unsafe]

Publishes orders with every strategy, and has every fifth charged by workers at a bank that fails at random, while broker,
database, producers, workers and bank are killed, stopped and restarted at random, and judges what became of each. The last line is a JSON object. Exit code 0: everything held. 1: an invariant broke; the line before
the last names it. 2: wrong usage, or the run itself failed. 130: interrupted.

  --seconds N     how long the orders take, and the nemesis strikes (180; with --steady 90; with --unsafe 25)
  --seed S        orders, faults and nemesis follow from it (chosen and printed)
  --orders N      (10000; with --unsafe 400)
  --producers N   processes that publish (3; with --unsafe 1)
  --steady        no faults and no nemesis: fails on any check-back and on any second delivery
  --unsafe NAME   producers or workers with a wrong protocol, under orders that find it out: must end with 1
  --control NAME  the same orders with the real protocol: must end with 0
  --list-unsafe   the names, one a line
`;

const wholeNumber = (name: string, text: string | undefined, least: number): number | undefined => {
  if (text === undefined) return undefined;
  if (!/^\d{1,10}$/.test(text) || Number(text) < least)
    throw new RangeError(`--${name} must be a whole number from ${least}, got ${JSON.stringify(text)}`);
  return Number(text);
};

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      seed: { type: 'string' },
      orders: { type: 'string' },
      producers: { type: 'string' },
      unsafe: { type: 'string' },
      control: { type: 'string' },
      steady: { type: 'boolean', default: false },
      'list-unsafe': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  for (const name of [values.unsafe, values.control]) {
    if (name !== undefined && !UNSAFE_VARIANTS.has(name))
      throw new RangeError(`there is no unsafe variant ${JSON.stringify(name)}; --list-unsafe names them`);
  }
  const modes = [values.unsafe, values.control, values.steady || undefined].filter((mode) => mode !== undefined);
  if (modes.length > 1) throw new RangeError('--unsafe, --control and --steady exclude each other');
  const workload = values.unsafe ?? values.control;
  return {
    isList: values['list-unsafe'],
    isHelp: values.help,
    unsafe: values.unsafe,
    workload,
    isSteady: values.steady,
    hasNemesis: modes.length === 0,
    seconds: wholeNumber('seconds', values.seconds, 1) ?? (workload !== undefined ? 25 : values.steady ? 90 : 180),
    seed: wholeNumber('seed', values.seed, 0) ?? Math.floor(Math.random() * 1_000_000),
    orders: wholeNumber('orders', values.orders, 1) ?? (workload === undefined ? 10_000 : 400),
    producers: wholeNumber('producers', values.producers, 1) ?? (workload === undefined ? 3 : 1),
  };
}

let options: ReturnType<typeof readOptions>;
try {
  options = readOptions();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}
if (options.isHelp || options.isList) {
  console.log(options.isHelp ? USAGE : [...UNSAFE_VARIANTS.keys()].join('\n'));
  process.exit(0);
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));

const startedAt = performance.now();
const say = (line: string): void => console.log(`[${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s] ${line}`);

function show(result: TortureResult): void {
  for (const { invariant, count, example } of result.violations) say(`BROKEN: ${invariant}: ${count} times, for example ${example}`);
  if (!result.isDrained && result.violations.length === 0) say('BROKEN: I6 backlog drains: check-backs or calls did not come to an end');
}

const { seed, seconds, orders, producers, unsafe, workload } = options;
const mode =
  unsafe === undefined ? (workload === undefined ? (options.isSteady ? ['--steady'] : []) : ['--control', workload]) : ['--unsafe', unsafe];
const again = [
  'npm run torture --',
  `--seconds ${seconds}`,
  `--seed ${seed}`,
  `--orders ${orders}`,
  `--producers ${producers}`,
  ...mode,
].join(' ');
say(`seed ${seed}; again with: ${again}`);
if (unsafe !== undefined) say(`unsafe on purpose: ${UNSAFE_VARIANTS.get(unsafe)?.mistake}`);

try {
  const result = await torture({ ...options, signal: interrupted.signal, onNews: say });
  const isGreen = result.violations.length === 0 && result.isDrained;
  show(result);
  say(
    isGreen
      ? unsafe === undefined
        ? 'everything held'
        : 'NOT CAUGHT: everything held although the protocol is unsafe'
      : `again with: ${again}`,
  );
  const { violations, calling, ...figures } = result;
  console.log(
    JSON.stringify({
      ...figures,
      seed,
      seconds: Math.round((performance.now() - startedAt) / 1000),
      broken: violations.map(({ invariant }) => invariant),
      ...calling,
    }),
  );
  process.exit(isGreen ? 0 : 1);
} catch (error) {
  const isInterrupted = interrupted.signal.aborted;
  say(isInterrupted ? 'interrupted; nothing is left running' : `the run failed: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(isInterrupted ? 130 : 2);
}
