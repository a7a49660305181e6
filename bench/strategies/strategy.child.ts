// A service that publishes by one strategy, relay and reader of its own included. Argument: JSON of `StrategyRun`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { composeCarrier } from '../../src/cli/compose-carrier.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { mysqlTransactionDatabase } from '../../src/store/mysql-transaction-database.ts';
import { TransactionalPublisher } from '../../src/transaction/transactional-publisher.ts';
import { serveLoad } from '../load/serve-load.ts';
import { ormListener } from '../publish/listeners.ts';
import { nextOrder, openOrderTables } from '../publish/orders.ts';
import { watchEnds } from '../publish/watch-ends.ts';
import { STRATEGIES, type StrategyName, type StrategyVariant } from './strategies.ts';

export interface StrategyRun {
  readonly strategy: StrategyName;
  readonly databaseUrl: string;
  readonly endpoints: string;
  readonly topic: string;
  readonly connections: number;
}

const { strategy, databaseUrl, endpoints, topic, connections } = JSON.parse(process.argv[2] ?? '{}') as StrategyRun;
const { config, cleanUp: openCleanUp }: StrategyVariant = STRATEGIES[strategy];
const directory = mkdtempSync(join(tmpdir(), 'checkback-bench-strategy-'));
const orm = await openOrderTables(databaseUrl, connections);
const cleanUp = await openCleanUp?.(databaseUrl);
const listener = ormListener(topic, 'first');
const ends = watchEnds();
const carrier = composeCarrier({ ...config({ directory, listener }), owner: 'bench', endpoints }, orm, silentLogger);
const publisher = await TransactionalPublisher.start({
  owner: 'bench',
  ...carrier.part,
  database: mysqlTransactionDatabase(orm),
  listeners: [listener],
  connectionTimeoutMs: 30_000,
});

await serveLoad({
  // In a column of the row, for those who see nothing else of the order.
  order: (meantAt) => publisher.publish(listener, { ...nextOrder(), customerId: String(performance.timeOrigin + meantAt) }),
  settle: ends.settle,
  checks: ends.checks,
  chores: { cleanUp: async () => cleanUp?.run() },
  close: async () => {
    await publisher.close();
    await carrier.close();
    await cleanUp?.close();
    await orm.close(true);
    rmSync(directory, { recursive: true, force: true });
  },
});
