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
import { UNSAFE_VARIANTS } from './unsafe/unsafe-variants.ts';

/** Everybody who takes part, ready to begin. */
export interface Stage {
  readonly stack: NativeStack;
  readonly producers: Producers;
  readonly ledger: Ledger;
}

const START_DEADLINE_MS = 120_000;
/** Orders that one producer has under way. Under the nemesis most of them wait for something that is down. */
const CONCURRENCY = 40;
const CONCURRENCY_OF_VARIANTS = 16;

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
  const endProducers = (): Promise<void> => producers.close(0);
  resources.defer(endProducers);
  // They wait for what they need: the run begins sooner than if they were started one after the other.
  producers.start();
  const starting = startNativeStack({
    cacheDir: resolve(import.meta.dirname, '../../.cache'),
    dataDir,
    profile: 'test',
    topics: Object.values(TOPICS).map((name) => ({ name, type: 'TRANSACTION' as const })),
    groups: [{ name: GROUP, retryMaxTimes: 1_000 }],
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
  resources.defer(endProducers);
  const ledger = resources.adopt(await Ledger.open(endpoints, mysqlUrl), (opened) => opened.close());
  await waitUntil(
    () => (producers.isAllReady ? Promise.resolve() : Promise.reject(new Error(`not yet; see ${dataDir}/log/producer-*.log`))),
    { what: 'the producers to be ready', timeoutMs: START_DEADLINE_MS, signal },
  );
  return { stack, producers, ledger };
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
