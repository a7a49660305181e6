import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/index.ts';
import { startNativeStack } from '../../src/cli/stack/native-stack.ts';
import { chooseFreePorts } from '../../src/cli/stack/ports.ts';
import { waitUntil } from '../../src/cli/stack/wait-until.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { temporaryDataDir } from '../cli/stack/temporary-data-dir.ts';
import { type Verdict, judge } from './judge.ts';
import { GROUP, Ledger } from './ledger.ts';
import { Nemesis, type Restarts } from './nemesis.ts';
import { Producers } from './producers.ts';
import { TOPICS } from './torture-listeners.ts';
import { Migration20260101009000Torture, TortureOrderEntity } from './torture-tables.ts';
import { UNSAFE_VARIANTS, workloadOf } from './unsafe/unsafe-variants.ts';

export interface TortureOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly orders: number;
  /** The unsafe variant the producers are built with. */
  readonly unsafe: string | undefined;
  /** The unsafe variant whose orders are published; the same as `unsafe`, or alone for a control. */
  readonly workload: string | undefined;
  readonly isSteady: boolean;
  readonly hasNemesis: boolean;
  /** Producer processes. */
  readonly producers: number;
  readonly signal: AbortSignal;
  readonly onNews: (line: string) => void;
}

export interface TortureResult extends Verdict {
  readonly orders: number;
  readonly restarts: Restarts;
  readonly rejections: Readonly<Record<string, number>>;
  readonly isDrained: boolean;
}

/** A check-back comes at least this often while the broker holds a half that nobody has decided. */
const QUIET_MS = 5_000;
const STEADY_TRANSACTION_TIMEOUT_MS = 6_000;
/** Below what slow and frozen transactions take, and above what ordinary ones take on a machine that is this busy. */
const NEMESIS_TRANSACTION_TIMEOUT_MS = 2_000;
/** Quiet beyond that with something undelivered: more would be waiting for nothing. */
const GIVE_UP_AFTER_MS = 15_000;
/** How long the backlog may take to drain once nothing fails any more. */
const DRAIN_DEADLINE_MS = 150_000;
const START_DEADLINE_MS = 120_000;
const STALL_MS = 60_000;
const READ_DEADLINE_MS = 30_000;
const STATUS_EVERY_MS = 3_000;

/** One run on a stack of its own. Whatever happens, nothing of it is left running. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { seed, signal, onNews } = options;
  await using resources = new AsyncDisposableStack();
  const { dataDir, remove } = temporaryDataDir('checkback-torture-');
  resources.defer(remove);
  mkdirSync(join(dataDir, 'log'), { recursive: true });

  onNews('starting broker, database and producers');
  const ports = await chooseFreePorts();
  const [endpoints, mysqlUrl] = [`127.0.0.1:${ports.grpc}`, `mysql://root@127.0.0.1:${ports.mysql}/checkback`];
  const variant = UNSAFE_VARIANTS.get(options.workload ?? '');
  const producers = new Producers({
    count: options.producers,
    bystanders: variant?.bystanders ?? (options.hasNemesis ? 1 : 0),
    orders: options.orders,
    // Outages hold orders up: begun early enough to be done within the time.
    paceMs: options.seconds * 850,
    folder: dataDir,
    settings: {
      endpoints,
      mysqlUrl,
      seed,
      concurrency: options.workload === undefined ? 40 : 16,
      unsafe: options.unsafe,
      workload: options.workload,
      isSteady: options.isSteady,
    },
  });
  resources.defer(() => producers.close(0));
  // They wait for what they need: the run begins sooner than if they were started one after the other.
  producers.start();
  const [stack] = await Promise.all([
    startNativeStack({
      cacheDir: resolve(import.meta.dirname, '../../.cache'),
      dataDir,
      profile: 'test',
      topics: Object.values(TOPICS).map((name) => ({ name, type: 'TRANSACTION' as const })),
      groups: [{ name: GROUP, retryMaxTimes: 1_000 }],
      transactionTimeOutMs: options.isSteady
        ? STEADY_TRANSACTION_TIMEOUT_MS
        : options.hasNemesis
          ? NEMESIS_TRANSACTION_TIMEOUT_MS
          : undefined,
      ports,
      signal,
      onProgress: onNews,
    }).then((started) => resources.adopt(started, (adopted) => adopted.close())),
    migrate(mysqlUrl, signal),
  ]);
  // Before the servers, which they would miss.
  resources.defer(() => producers.close(0));
  const ledger = resources.adopt(await Ledger.open(endpoints, mysqlUrl), (opened) => opened.close());
  await until(() => producers.isAllReady, START_DEADLINE_MS, signal, 'the producers to be ready');

  const nemesis = new Nemesis({ seed, stack, producers, ledger, onNews });
  resources.defer(() => nemesis.halt());
  const conclude = async (isFinal: boolean): Promise<Verdict> => {
    // First what was said and seen, then the database: a row that comes in between excuses nobody.
    const words = producers.words;
    const deliveries = [...ledger.deliveries];
    const outcomes = new Map(producers.outcomes);
    const { rows, effects, updates } = await waitUntil(() => ledger.readDatabase(), {
      what: 'the database to be read',
      timeoutMs: READ_DEADLINE_MS,
      signal,
    });
    const expected = producers.expectedUpdates(rows, workloadOf(options));
    const { crashes } = producers;
    return judge({
      outcomes,
      rows,
      deliveries,
      words,
      effects,
      updates: { ...updates, expected },
      crashes,
      isFinal,
      isSteady: options.isSteady,
    });
  };
  const status = setInterval(() => onNews(describe(producers, ledger, nemesis.restarts, options.orders)), STATUS_EVERY_MS);
  resources.defer(() => clearInterval(status));

  onNews('producers are ready: orders begin');
  producers.giveOrders();
  const endsAt = Date.now() + options.seconds * 1_000;
  let verdict: Verdict | undefined;
  if (options.hasNemesis) nemesis.start();
  const isOver = (): boolean => Date.now() >= endsAt;
  if (options.workload === undefined) {
    await Promise.race([until(isOver, Infinity, signal, 'the end'), nemesis.failed]);
    onNews('nemesis off; bringing everything up again');
    await nemesis.stop();
    await finish(producers, signal);
  } else {
    verdict = await firstViolation(conclude, () => isOver() && producers.isFinished, signal);
  }

  let isDrained = false;
  if (verdict === undefined) {
    onNews('all orders are finished; waiting until nothing is undelivered and nothing is asked any more');
    const quietMs = options.isSteady ? STEADY_TRANSACTION_TIMEOUT_MS + QUIET_MS : QUIET_MS;
    const drainStartedAt = Date.now();
    while (!isDrained && Date.now() < drainStartedAt + DRAIN_DEADLINE_MS) {
      await sleep(1_000, undefined, { signal });
      verdict = await conclude(true);
      const quietFor = Math.min(producers.quietMs, ledger.quietMs + QUIET_MS / 2, Date.now() - drainStartedAt);
      isDrained = quietFor >= quietMs && verdict.lost === 0;
      // Nobody asks and nothing comes: what is missing now will be missing.
      if (quietFor >= quietMs + GIVE_UP_AFTER_MS) break;
    }
    await producers.close(30_000);
    verdict = await conclude(true);
  }
  return { ...verdict, orders: options.orders, restarts: nemesis.restarts, rejections: producers.rejections, isDrained };
}

/** As soon as the database answers. */
async function migrate(url: string, signal: AbortSignal): Promise<void> {
  const entities = [...ENGINE_ENTITIES, TortureOrderEntity];
  const migrations = [...ENGINE_MIGRATIONS, Migration20260101009000Torture];
  const orm = await waitUntil(() => openOrm({ url, entities, migrations }), { what: 'the database', timeoutMs: START_DEADLINE_MS, signal });
  await orm.migrator.up();
  await orm.close(true);
}

/** Judges every second; the first violation that needs no further proof ends the run, or `undefined` when the time is over. */
async function firstViolation(
  conclude: (isFinal: boolean) => Promise<Verdict>,
  isOver: () => boolean,
  signal: AbortSignal,
): Promise<Verdict | undefined> {
  while (!isOver()) {
    await sleep(1_000, undefined, { signal });
    const verdict = await conclude(false);
    // A false answer alone is no loss yet; it is about to be one.
    if (verdict.violations.some(({ invariant }) => invariant !== 'same answer for ever')) return verdict;
  }
  return undefined;
}

/** Waits for the orders that outages have held up, as long as it goes on. */
async function finish(producers: Producers, signal: AbortSignal): Promise<void> {
  for (let finished = -1; !producers.isFinished;) {
    if (producers.progress.finished === finished) throw new Error(`no order was finished within ${STALL_MS} ms; ${finished} are`);
    finished = producers.progress.finished;
    const checkAt = Date.now() + STALL_MS;
    await until(() => producers.isFinished || Date.now() > checkAt, Infinity, signal, '');
  }
}

async function until(isDone: () => boolean, timeoutMs: number, signal: AbortSignal, what: string): Promise<void> {
  const endsAt = Date.now() + timeoutMs;
  while (!isDone()) {
    if (Date.now() > endsAt) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(100, undefined, { signal });
  }
}

function describe(producers: Producers, ledger: Ledger, restarts: Restarts, orders: number): string {
  const { finished, running, checks } = producers.progress;
  const { broker, database, producers: killed, freezes, sessions } = restarts;
  return (
    `${finished} of ${orders} orders finished, ${running} under way · ${ledger.deliveries.length} deliveries · ${checks} checks · ` +
    `restarts: broker ${broker}, database ${database}, producers ${killed}; ${freezes} freezes, ${sessions} sessions killed`
  );
}
