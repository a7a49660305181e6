import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/index.ts';
import { type NativeStack, startNativeStack } from '../../src/cli/stack/native-stack.ts';
import { chooseFreePorts } from '../../src/cli/stack/ports.ts';
import { waitUntil } from '../../src/cli/stack/wait-until.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { temporaryDataDir } from '../cli/stack/temporary-data-dir.ts';
import { GROUP, Ledger } from './ledger.ts';
import { Producers } from './producers.ts';
import { TOPICS } from './torture-listeners.ts';
import { type TortureOptions, transactionTimeoutOf } from './torture-options.ts';
import { Migration20260101009000Torture, TortureOrderEntity } from './torture-tables.ts';
import { UNSAFE_VARIANTS, workloadOf } from './unsafe/unsafe-variants.ts';
import { CallRecords } from './workers/call-records.ts';
import type { Calling } from './workers/calling-strikes.ts';
import { CHARGE_GROUP, TIMER_GROUP, TIMER_TOPIC } from './workers/charge-listener.ts';
import { TortureBank } from './workers/torture-bank.ts';
import { Workers } from './workers/workers.ts';

/** Everybody who takes part, ready to begin. */
export interface Stage {
  readonly stack: NativeStack;
  readonly producers: Producers;
  readonly ledger: Ledger;
  /** Missing where no order is to be charged. */
  readonly calling: (Calling & { readonly records: CallRecords }) | undefined;
}

const START_DEADLINE_MS = 120_000;
/** Orders that one producer has under way. Under the nemesis most of them wait for something that is down. */
const CONCURRENCY = 40;
const CONCURRENCY_OF_VARIANTS = 16;
/** One of them may be frozen and one dead. */
const WORKERS = 3;

/** Starts servers, tables, producers and consumer side by side. All of it ends with `resources`, and with this process. */
export async function openStage(options: TortureOptions, resources: AsyncDisposableStack): Promise<Stage> {
  const { seed, signal, onNews, unsafe, workload, isSteady } = options;
  const { dataDir, remove } = temporaryDataDir('checkback-torture-');
  resources.defer(remove);
  mkdirSync(join(dataDir, 'log'), { recursive: true });

  const ports = await chooseFreePorts();
  const [endpoints, mysqlUrl] = [`127.0.0.1:${ports.grpc}`, `mysql://root@127.0.0.1:${ports.mysql}/checkback`];
  const producers = new Producers({
    count: options.producers,
    bystanders: UNSAFE_VARIANTS.get(workload ?? '')?.bystanders ?? (options.hasNemesis ? 1 : 0),
    orders: options.orders,
    // Outages hold orders up: begun early enough to be done within the time.
    paceMs: options.seconds * 850,
    folder: dataDir,
    settings: {
      endpoints,
      mysqlUrl,
      seed,
      concurrency: workload === undefined ? CONCURRENCY : CONCURRENCY_OF_VARIANTS,
      unsafe,
      workload,
      isSteady,
    },
  });
  const calling =
    workloadOf(options).charged > 0 ? await openCalling(options, { endpoints, mysqlUrl, folder: dataDir }, resources) : undefined;
  const endProcesses = async (): Promise<void> => {
    await Promise.all([producers.close(0), calling?.workers.close({ isGivenUp: true })]);
  };
  resources.defer(endProcesses);
  // They wait for what they need: the run begins sooner than if they were started one after the other.
  producers.start();
  calling?.workers.start();
  const starting = startNativeStack({
    cacheDir: resolve(import.meta.dirname, '../../.cache'),
    dataDir,
    profile: 'test',
    topics: [...Object.values(TOPICS).map((name) => ({ name, type: 'TRANSACTION' as const })), { name: TIMER_TOPIC, type: 'DELAY' }],
    groups: [GROUP, CHARGE_GROUP, TIMER_GROUP].map((name) => ({ name, retryMaxTimes: 1_000 })),
    transactionTimeOutMs: transactionTimeoutOf(options),
    ports,
    signal,
    onProgress: onNews,
  });
  const [stack] = await Promise.all([
    starting.then((started) => resources.adopt(started, (adopted) => adopted.close())),
    createTables(mysqlUrl, signal),
  ]);
  // Before the servers, which they would miss.
  resources.defer(endProcesses);
  const ledger = resources.adopt(await Ledger.open(endpoints, mysqlUrl), (opened) => opened.close());
  await waitUntil(
    () => {
      const isReady = producers.isAllReady && calling?.workers.isAllReady !== false;
      return isReady ? Promise.resolve() : Promise.reject(new Error(`not yet; see ${dataDir}/log/{producer,worker}-*.log`));
    },
    { what: 'producers and workers to be ready', timeoutMs: START_DEADLINE_MS, signal },
  );
  return { stack, producers, ledger, calling };
}

async function openCalling(
  options: TortureOptions,
  { endpoints, mysqlUrl, folder }: { readonly endpoints: string; readonly mysqlUrl: string; readonly folder: string },
  resources: AsyncDisposableStack,
): Promise<NonNullable<Stage['calling']>> {
  const { seed, unsafe, isSteady } = options;
  const bank = resources.adopt(await TortureBank.open(workloadOf(options).bank, seed), (opened) => opened.close());
  const records = resources.adopt(new CallRecords(mysqlUrl), (opened) => opened.close());
  const settings = { endpoints, mysqlUrl, bank: bank.origin, unsafe, isSteady };
  return { bank, records, workers: new Workers({ count: WORKERS, folder, settings }) };
}

/** As soon as the database answers. */
async function createTables(url: string, signal: AbortSignal): Promise<void> {
  const entities = [...ENGINE_ENTITIES, TortureOrderEntity];
  const migrations = [...ENGINE_MIGRATIONS, Migration20260101009000Torture];
  const orm = await waitUntil(() => openOrm({ url, entities, migrations }), { what: 'the database', timeoutMs: START_DEADLINE_MS, signal });
  try {
    await orm.migrator.up();
  } finally {
    await orm.close(true);
  }
}
